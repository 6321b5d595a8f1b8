import { Health } from './health';
import { Log, type LogOptions } from './log';
import { messageOf } from './message-of';
import { Meter } from './meter';
import { OperationServer } from './operation-server';
import type { OptionsOf, Shape } from './option';
import { refuse } from './problem';
import { type Program, readSettings } from './settings';

/** What an app is given to run with. */
export interface App {
  readonly log: Log;
  readonly health: Health;
  /** Where the program is to be measured. */
  readonly meter: Meter | undefined;
  /** Aborted when it has to stop at once: by a second SIGTERM, or 8 seconds after the first. */
  readonly signal: AbortSignal;
  /** Whether the first SIGTERM has come. */
  readonly isStopping: boolean;
  /** What to do at the first SIGTERM (or Ctrl-C): take nothing new, let what is under way end. */
  onStop(drain: () => unknown): void;
}

/** Docker kills after 10 seconds; then it is too late for a last word. */
const DRAIN_MS = 8_000;
const SAME_SIGNAL_MS = 500;

interface WatchOptions {
  readonly metrics?: number;
  readonly metricsHost?: string;
}

/** What a program does with its options. */
export interface Work<Options> {
  readonly run: (options: Options, app: App) => Promise<void>;
  /** Makes everything and starts nothing, before the start or for `--check`: throws for what cannot be meant. */
  readonly rehearse?: (options: Options) => Promise<void>;
  /** Whether `--metrics` is heeded; not by who looks at a program that serves them already. @default true */
  readonly isWatched?: boolean;
}

/**
 * Runs an app until it ends by itself or is told to. Exit code 0: ended or drained; 1: failed, or
 * stopped before it had drained; 2: a value that cannot be meant.
 */
export async function runApp<Options extends Shape>(
  program: Program<Options>,
  argv: readonly string[],
  { run, rehearse, isWatched = true }: Work<OptionsOf<Options>>,
): Promise<void> {
  const { options, isCheck, effective, secrets, warnings } = readSettings(program, argv);
  const log = new Log(program.name, { ...(options as LogOptions), secrets });
  for (const warning of warnings) log.warn(warning);
  // Node would write its own as plain text, over several lines, in the midst of the log.
  process
    .removeAllListeners('warning')
    .on('warning', ({ message }) => log.warn(message.replaceAll(/\s+/g, ' ')));
  try {
    await rehearse?.(options);
  } catch (error) {
    refuse(program.name, [{ message: log.safe(messageOf(error)) }]);
  }
  if (isCheck) {
    process.stdout.write(effective);
    return;
  }
  const health = new Health(log);
  const controller = new AbortController();
  const drains: (() => unknown)[] = [];
  let isStopping = false;
  let stoppedAt = 0;

  const stopNow = (why: string) => {
    log.error(`${why}: stopping with work unfinished`);
    controller.abort(new Error(why));
    // Whatever still hangs is not worth waiting for.
    setTimeout(() => process.exit(1), 1_000).unref();
  };
  const stop = (signal: NodeJS.Signals) => {
    // A shell or a supervisor may send one signal twice, to us and to our group.
    if (isStopping && performance.now() - stoppedAt < SAME_SIGNAL_MS) return;
    if (isStopping) {
      stopNow(`${signal} a second time`);
      return;
    }
    isStopping = true;
    health.stop();
    stoppedAt = performance.now();
    log.info(`${signal}: taking nothing new, finishing what is under way; once more stops at once`);
    setTimeout(() => stopNow(`not finished after ${DRAIN_MS / 1000} seconds`), DRAIN_MS).unref();
    for (const drain of drains) Promise.resolve(drain()).catch((error) => log.warn(messageOf(error)));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  let server: OperationServer | undefined;
  try {
    const { metrics, metricsHost = '127.0.0.1' } = options as WatchOptions;
    const meter = metrics === undefined || !isWatched ? undefined : await Meter.create();
    if (meter && metrics !== undefined) {
      server = new OperationServer(meter, health);
      log.info(`metrics at ${await server.open(metrics, metricsHost)}/metrics`);
    }
    await run(options, {
      log,
      health,
      meter,
      signal: controller.signal,
      get isStopping() {
        return isStopping;
      },
      onStop: (drain) => drains.push(drain),
    });
    if (isStopping) log.info('all done');
  } catch (error) {
    process.exitCode = error instanceof TypeError ? 2 : 1;
    if (!controller.signal.aborted) log.error(messageOf(error));
  } finally {
    await server?.close();
    process.off('SIGTERM', stop);
    process.off('SIGINT', stop);
  }
}
