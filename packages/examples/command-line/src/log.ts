/** Lines for people and for log files, on standard error. */
export class Log {
  readonly #name: string;
  readonly #last = new Map<string, string>();

  constructor(name: string) {
    this.#name = name;
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

  /** One line a change: says nothing while `text` stays the same for this `subject`. */
  change(subject: string, text: string, level: 'info' | 'warn' = 'info'): void {
    if (this.#last.get(subject) === text) return;
    this.#last.set(subject, text);
    this.#line(level, text);
  }

  #line(level: string, text: string): void {
    const time = new Date().toISOString();
    // A terminal may show a progress line: start over on it.
    const start = process.stderr.isTTY ? `\r\u001b[K${time.slice(11, 19)}` : `${time} ${this.#name}`;
    process.stderr.write(`${start} ${level.padEnd(5)} ${text}\n`);
  }
}
