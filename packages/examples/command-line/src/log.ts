import { createRequire } from 'node:module';
import { Writable } from 'node:stream';
import { withoutCredentials } from 'edge-relay';
import pino from 'pino';
import type pretty from 'pino-pretty';
import { option } from './option';
import { choice } from './values';

/** How a program writes its log. */
export const logOptions = {
  logFormat: option(choice('auto', 'json', 'pretty').default('auto'), {
    text: 'json, a line for programs; pretty, for people; auto, pretty on a terminal',
    value: 'format',
  }),
  logLevel: option(choice('debug', 'info', 'warn', 'error').default('info'), {
    text: 'what is less important is not written',
    value: 'level',
  }),
};

type Level = 'debug' | 'info' | 'warn' | 'error';

export interface LogOptions {
  /** @default 'auto', which is `pretty` on a terminal and `json` elsewhere */
  readonly logFormat?: 'auto' | 'json' | 'pretty';
  /** @default 'info' */
  readonly logLevel?: Level;
  /** What must not be seen, wherever it comes from. */
  readonly secrets?: readonly string[];
}

/** A shorter one stands in too many words that have nothing to do with it. */
const SECRET_LENGTH = 4;

/** Lines for people or for programs, on standard error; never with a password in it. */
export class Log {
  readonly #pino: pino.Logger;
  readonly #secrets: readonly string[];
  readonly #last = new Map<string, string>();

  constructor(name: string, { logFormat = 'auto', logLevel = 'info', secrets = [] }: LogOptions = {}) {
    this.#secrets = secrets.filter((secret) => secret.length >= SECRET_LENGTH);
    const isPretty = logFormat === 'pretty' || (logFormat === 'auto' && process.stderr.isTTY);
    this.#pino = pino(
      {
        level: logLevel,
        base: { name },
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      isPretty ? prettyStream() : pino.destination({ fd: 2, sync: true }),
    );
  }

  debug(text: string): void {
    this.#line('debug', text);
  }

  info(text: string): void {
    this.#line('info', text);
  }

  warn(text: string): void {
    this.#line('warn', text);
  }

  error(text: string): void {
    this.#line('error', text);
  }

  /** A text that holds what opens a door on purpose, such as an address with a token that was drawn at random. */
  reveal(text: string): void {
    this.#pino.info(this.#withoutSecrets(text));
  }

  /** One line a change: says nothing while `text` stays the same for this `subject`. */
  change(subject: string, text: string, level: Level = 'info'): void {
    if (this.#last.get(subject) === text) return;
    this.#last.set(subject, text);
    this.#line(level, text, { subject });
  }

  /** A text without passwords. */
  safe(text: string): string {
    return this.#withoutSecrets(withoutCredentials(text));
  }

  #line(level: Level, text: string, details: object = {}): void {
    this.#pino[level](details, this.safe(text));
  }

  #withoutSecrets(text: string): string {
    return this.#secrets.reduce((sum, secret) => sum.replaceAll(secret, '***'), text);
  }
}

function prettyStream(): pino.DestinationStream {
  const isTerminal = process.stderr.isTTY;
  // Only who looks at a terminal waits until it is loaded.
  const prettify = createRequire(import.meta.url)('pino-pretty') as typeof pretty;
  return prettify({
    colorize: isTerminal && !process.env.NO_COLOR,
    translateTime: isTerminal ? 'SYS:HH:MM:ss' : "UTC:yyyy-mm-dd'T'HH:MM:ss.l'Z'",
    ignore: isTerminal ? 'name,subject' : 'subject',
    destination: new Writable({
      write(chunk, _, done) {
        // A terminal may show a progress line: start over on it.
        process.stderr.write(`${isTerminal ? '\r\u001b[K' : ''}${chunk}`, done);
      },
    }),
  });
}
