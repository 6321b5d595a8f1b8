import { messageOf } from './message-of';
import { option } from './option';
import type { App } from './run-app';
import { onOff } from './values';

/** What a check has found. */
export interface Finding {
  /** `good`; `doubtful`, it may be meant so; `wrong`; `skipped`, there is nothing to look at. */
  readonly state: 'good' | 'doubtful' | 'wrong' | 'skipped';
  /** What was seen, with its unit. */
  readonly value: string;
  /** What to do about it. */
  readonly cure?: string;
}

/** One thing to look at; it leaves nothing behind. */
export interface Check {
  readonly name: string;
  /** What it throws is what is wrong, with the cure in its message. */
  readonly look: () => Promise<Finding>;
  /** How long it may take, in milliseconds. @default 8,000 */
  readonly timeoutMs?: number;
}

export interface CheckResult extends Finding {
  readonly name: string;
}

/** The options of a doctor beside those of its app. */
export const doctorOptions = {
  json: option(onOff().optional(), { text: 'prints JSON for programs', only: 'process' }),
};

const TIMEOUT_MS = 8_000;
const SIGNS = { good: '✓', doubtful: '!', wrong: '✗', skipped: '-' } as const;

/**
 * Does one check after the other, so that none slows another down, and prints what each has found. The process ends with
 * exit code 1 when something is wrong.
 */
export async function examine(
  checks: readonly Check[],
  {
    json = false,
    app,
  }: {
    readonly json?: boolean | undefined;
    readonly app: Pick<App, 'log' | 'signal' | 'onStop'>;
  },
): Promise<void> {
  const stopping = new AbortController();
  app.onStop(() => stopping.abort(new Error('stopped before all was looked at')));
  const signal = AbortSignal.any([app.signal, stopping.signal]);
  const safe = (text: string) => app.log.safe(text);
  const width = Math.max(...checks.map(({ name }) => name.length));
  const results: CheckResult[] = [];
  for (const check of checks) {
    signal.throwIfAborted();
    const { state, value, cure } = await within(check, signal);
    const result = {
      name: check.name,
      state,
      value: safe(value),
      ...(cure !== undefined && { cure: safe(cure) }),
    };
    results.push(result);
    if (!json) process.stdout.write(lineOf(result, width));
  }
  const wrong = results.filter(({ state }) => state === 'wrong').length;
  if (json) process.stdout.write(`${JSON.stringify({ ok: wrong === 0, checks: results }, undefined, 2)}\n`);
  else
    process.stdout.write(wrong === 0 ? '\nNothing is wrong.\n' : `\n${wrong} of ${results.length} wrong.\n`);
  if (wrong > 0) process.exitCode = 1;
}

function lineOf({ name, state, value, cure }: CheckResult, width: number): string {
  const indent = ' '.repeat(width + 4);
  return `${SIGNS[state]} ${name.padEnd(width)}  ${value}\n${cure === undefined ? '' : `${indent}${cure}\n`}`;
}

async function within({ look, timeoutMs = TIMEOUT_MS }: Check, signal: AbortSignal): Promise<Finding> {
  let timer: NodeJS.Timeout | undefined;
  let stop = () => {};
  const ending = new Promise<Finding>((resolve, reject) => {
    const value = `no answer within ${timeoutMs / 1000} seconds`;
    const cure =
      'Something takes what is sent and says nothing, such as a firewall or a full disk: look there.';
    timer = setTimeout(() => resolve({ state: 'wrong', value, cure }), timeoutMs);
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  const looking = look().catch((error): Finding => ({ state: 'wrong', ...split(messageOf(error)) }));
  try {
    return await Promise.race([looking, ending]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

/** Errors say first what is wrong, and in their last sentences the cure. */
function split(message: string): { readonly value: string; readonly cure?: string } {
  const [, value, cure] = /^(.*?[^.][.)])\s+([A-Z].*)$/s.exec(message) ?? [];
  return value === undefined || cure === undefined ? { value: message } : { value, cure };
}
