/**
 * Milliseconds since 1970 (UTC), by which the age of messages is counted. Setting the system's clock does
 * not move it while the process runs: devices without a battery start in the past and are set later.
 */
export function spoolClock(): number {
  return performance.timeOrigin + performance.now();
}
