import type { Finding } from './finding';

/** What a clock may be wrong by, in milliseconds, before times of pictures mislead. */
const LIMIT_MS = 2_000;

/** What two clocks differ by: how many milliseconds theirs is ahead of ours, give or take so many. */
export function clockFinding(aheadMs: number, uncertaintyMs: number, theirs: string): Finding {
  const by = `${seconds(Math.abs(aheadMs))} ${aheadMs < 0 ? 'behind' : 'ahead of'} ours`;
  const value = `about ${by}, give or take ${seconds(uncertaintyMs)}, by ${theirs}`;
  if (Math.abs(aheadMs) <= LIMIT_MS + uncertaintyMs) return { state: 'pass', value };
  const cure = `More than ${LIMIT_MS / 1_000} seconds. Let both machines keep time by NTP: timedatectl set-ntp true.`;
  return { state: 'fail', value, cure };
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1_000).toFixed(milliseconds < 100 ? 3 : 1)} s`;
}
