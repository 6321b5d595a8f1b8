import { RelayError } from '../errors';
import type { CaptureListener, CaptureMode } from './capture';

export interface ModeCheck {
  /** What the capture gives, e.g. the size of its first frame. */
  readonly got: CaptureMode;
  /** What was asked for, if anything was. */
  readonly requested: CaptureMode | undefined;
  /** Anything else is an error. @default false */
  readonly exact?: boolean | undefined;
  /** What there is to choose from, where that is known. */
  readonly offers?: readonly string[];
  /** The stage to name in the error. */
  readonly stage: string;
}

/** How much slower than asked for a camera may be: its clock is not ours, and 29.97 is called 30. */
const RATE_TOLERANCE = 0.1;

/**
 * Tells the listener where a capture gives another size, or a lower rate, than it was asked for.
 * @throws {RelayError} `SOURCE_UNSUITABLE` instead, where it has to be exact.
 */
export function checkMode(check: ModeCheck, listener?: CaptureListener): void {
  const { got, requested, exact = false, offers = [], stage } = check;
  if (!requested || fulfils(got, requested)) return;
  if (!exact) {
    listener?.mismatched({ requested, got, offers });
    return;
  }
  const choice = offers.length > 0 ? `; it offers ${offers.join(', ')}` : '';
  throw new RelayError(
    `The ${stage} gives ${describeMode(got)}, and exactly ${describeMode(requested)} was asked for${choice}. Ask for what it has, or leave out exact.`,
    { code: 'SOURCE_UNSUITABLE', stage },
  );
}

/** `1920 x 1080 at 30 frames a second`, as far as it is known. */
export function describeMode({ width, height, framesPerSecond }: CaptureMode): string {
  const rate =
    framesPerSecond === undefined ? '' : ` at ${Number(framesPerSecond.toFixed(2))} frames a second`;
  return `${width} x ${height}${rate}`;
}

function fulfils(got: CaptureMode, requested: CaptureMode): boolean {
  if (got.width !== requested.width || got.height !== requested.height) return false;
  if (got.framesPerSecond === undefined || requested.framesPerSecond === undefined) return true;
  return got.framesPerSecond >= requested.framesPerSecond * (1 - RATE_TOLERANCE);
}
