/** What a check has found. */
export interface Finding {
  /** `warning`: it works, or may be meant so. `skipped`: it was not looked at, and `value` says why. */
  readonly state: 'pass' | 'warning' | 'fail' | 'skipped';
  /** What was seen, with its unit. */
  readonly value: string;
  /** What to do about it. */
  readonly cure?: string | undefined;
}
