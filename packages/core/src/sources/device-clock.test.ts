import { describe, expect, it } from 'vitest';
import { DeviceClock } from './device-clock';

const WALL = Date.UTC(2026, 0, 31, 12);
/** The machine was started a day ago. */
const MONOTONIC = 86_400_000;

describe('DeviceClock', () => {
  it('dates by the monotonic clock, also what has waited long since', () => {
    const clock = new DeviceClock();
    expect(clock.date(MONOTONIC - 250.4, WALL, MONOTONIC)).toEqual({
      capturedAt: WALL - 250,
      clock: 'device',
    });
    expect(clock.date(MONOTONIC, WALL + 100_000, MONOTONIC + 100_000).capturedAt).toBe(WALL);
  });

  it('follows a wall clock that is set meanwhile', () => {
    const clock = new DeviceClock();
    clock.date(MONOTONIC, WALL, MONOTONIC);
    const later = clock.date(MONOTONIC + 40, WALL + 3_600_000, MONOTONIC + 50);
    expect(later).toEqual({ capturedAt: WALL + 3_600_000 - 10, clock: 'device' });
  });

  it('takes a wall clock as it is', () => {
    expect(new DeviceClock().date(WALL - 250, WALL, MONOTONIC)).toEqual({
      capturedAt: WALL - 250,
      clock: 'device',
    });
  });

  it('dates by arrival where the driver gives nonsense', () => {
    for (const time of [0, -5, 1e15]) {
      expect(new DeviceClock().date(time, WALL, MONOTONIC)).toEqual({ capturedAt: WALL, clock: 'arrival' });
    }
  });

  it('never dates into the future', () => {
    expect(new DeviceClock().date(MONOTONIC + 1_000, WALL, MONOTONIC).capturedAt).toBe(WALL);
  });

  it('reads the clock of the system that drivers stamp by', () => {
    const now = Number(process.hrtime.bigint()) / 1e6;
    expect(new DeviceClock().date(now, Date.now()).clock).toBe('device');
  });
});
