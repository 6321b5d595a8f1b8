import { RelayError } from 'edge-relay';
import type { Finding } from './finding';
import { messageOf } from './message-of';
import { option } from './option';
import type { App } from './run-app';
import { number, onOff } from './values';

/** One thing to look at; it leaves nothing behind. */
export interface Check {
  /** The stage that is looked at, such as `edge broker`. */
  readonly name: string;
  /** Names of checks before this one; where one of them has failed, this one is not done. */
  readonly needs?: readonly string[];
  /** @param timeoutMs what it may take. What it throws is what is wrong, with the cure in its message. */
  readonly look: (timeoutMs: number) => Promise<Finding>;
}

/** The options of a doctor beside those of its app. */
export const doctorOptions = {
  json: option(onOff().optional(), { text: 'prints JSON for programs', only: 'process' }),
  timeout: option(number(1).default(15), {
    text: 'what a check may take, at the most',
    value: 'seconds',
    only: 'process',
  }),
};

interface DoctorOptions {
  readonly json?: boolean | undefined;
  /** In seconds. */
  readonly timeout: number;
}

/** A check that heeds its limit has the better explanation: it gets this much longer before it is given up. */
const GRACE_MS = 1_000;

/**
 * Does one check after the other, so that none slows another down, and prints what each has found. The process ends with
 * exit code 1 when something is wrong.
 */
export async function examine(
  checks: readonly Check[],
  { json = false, timeout }: DoctorOptions,
  app: Pick<App, 'log' | 'signal' | 'onStop'>,
): Promise<void> {
  const stopping = new AbortController();
  app.onStop(() => stopping.abort(new Error('stopped before all was looked at')));
  const signal = AbortSignal.any([app.signal, stopping.signal]);
  const width = Math.max(...checks.map(({ name }) => name.length));
  const results = new Map<string, Finding>();
  let isHanging = false;
  const noAnswer = (): Finding => {
    isHanging = true;
    const cure =
      'Something takes what is asked and says nothing, such as a firewall or a disk that hangs. Or allow more with --timeout.';
    return { state: 'fail', value: `no answer within ${timeout} seconds`, cure };
  };
  for (const check of checks) {
    signal.throwIfAborted();
    const found = lacking(check, results) ?? (await within(check, timeout * 1_000, signal)) ?? noAnswer();
    const result = {
      state: found.state,
      value: app.log.safe(found.value),
      ...(found.cure !== undefined && { cure: app.log.safe(found.cure) }),
    };
    results.set(check.name, result);
    if (!json) process.stdout.write(lineOf(check.name.padEnd(width), result));
  }
  const count = (wanted: Finding['state']) =>
    [...results.values()].filter(({ state }) => state === wanted).length;
  const [failed, warnings] = [count('fail'), count('warning')];
  const report = { ok: failed === 0, checks: [...results].map(([name, result]) => ({ name, ...result })) };
  const verdict = `${failed === 0 ? 'Nothing is wrong' : `${failed} of ${results.size} failed`}${warnings > 0 ? `; warnings: ${warnings}` : ''}.`;
  process.stdout.write(json ? `${JSON.stringify(report, undefined, 2)}\n` : `\n${verdict}\n`);
  if (failed > 0) process.exitCode = 1;
  // What hangs does not keep the process.
  if (isHanging) setTimeout(() => process.exit(), GRACE_MS).unref();
}

function lineOf(name: string, { state, value, cure }: Finding): string {
  const line = `${state.padEnd('warning'.length)}  ${name}  `;
  return `${line}${value}\n${cure === undefined ? '' : `${' '.repeat(line.length)}${cure}\n`}`;
}

/** Why a check need not be done. */
function lacking({ needs = [] }: Check, results: ReadonlyMap<string, Finding>): Finding | undefined {
  const missing = needs.find((name) => /fail|skipped/.test(results.get(name)?.state ?? ''));
  if (missing === undefined) return undefined;
  const why = results.get(missing)?.state === 'fail' ? 'has failed' : 'was not checked';
  return { state: 'skipped', value: `not checked, because "${missing}" ${why}` };
}

/** Undefined where there is no answer in time. */
async function within({ look }: Check, timeoutMs: number, signal: AbortSignal): Promise<Finding | undefined> {
  let timer: NodeJS.Timeout | undefined;
  let stop = () => {};
  const ending = new Promise<undefined>((resolve, reject) => {
    timer = setTimeout(() => resolve(undefined), timeoutMs + GRACE_MS);
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  const looking = look(timeoutMs).catch((error): Finding => ({ state: 'fail', ...split(error) }));
  try {
    return await Promise.race([looking, ending]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

/** Errors say first the stage, then what is wrong, and in their last sentences the cure. */
function split(error: unknown): Pick<Finding, 'value' | 'cure'> {
  const stage = error instanceof RelayError ? `${error.stage}: ` : '';
  const message = messageOf(error).replace(stage, '');
  const [, value, cure] = /^(.*?[^.][.)])\s+([A-Z].*)$/s.exec(message) ?? [];
  return value === undefined || cure === undefined ? { value: message } : { value, cure };
}
