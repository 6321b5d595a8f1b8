import type { EventEmitter } from 'eventemitter3';
import type { Counter, Gauge, Registry } from 'prom-client';

export type Labels = Readonly<Record<string, string>>;
/** A value that is read when somebody asks. */
export type Reading = readonly [value: number, labels?: Labels];
type Read = () => readonly Reading[];
type Settings = { readonly name: string; readonly registers: Registry[] };

const PREFIX = 'edge_relay_';

/** Figures for Prometheus; names get the prefix `edge_relay_`. */
export class Meter {
  readonly #client: typeof import('prom-client');
  readonly #registry: Registry;
  readonly #reads = new Map<string, Read[]>();

  private constructor(client: typeof import('prom-client')) {
    this.#client = client;
    this.#registry = new client.Registry();
    // Memory, processor time, the event loop's delay: under the names that other Node programs give them.
    client.collectDefaultMetrics({ register: this.#registry });
  }

  /** Only who is measured loads what it takes. */
  static async create(): Promise<Meter> {
    const { default: client } = await import('prom-client');
    return new Meter(client);
  }

  /** What only grows, by what it has come to; names end in `_total`. Several may tell of one name. */
  counter(name: string, help: string, labelNames: readonly string[], read: Read): void {
    this.#tell(name, read, (settings, readings) => {
      new this.#client.Counter({
        ...settings,
        ...{ help, labelNames },
        collect(this: Counter) {
          this.reset();
          for (const [value, labels = {}] of readings()) this.inc(labels, value);
        },
      });
    });
  }

  /** What goes up and down. Several may tell of one name. */
  gauge(name: string, help: string, labelNames: readonly string[], read: Read): void {
    this.#tell(name, read, (settings, readings) => {
      new this.#client.Gauge({
        ...settings,
        ...{ help, labelNames },
        collect(this: Gauge) {
          this.reset();
          for (const [value, labels = {}] of readings()) this.set(labels, value);
        },
      });
    });
  }

  /** How something is spread; gives what to call with each value. */
  histogram(
    name: string,
    help: string,
    labelNames: readonly string[],
    buckets: readonly number[],
  ): (value: number, labels?: Labels) => void {
    const settings = { name: PREFIX + name, help, labelNames, registers: [this.#registry] };
    const histogram = new this.#client.Histogram({ ...settings, buckets: [...buckets] });
    return (value, labels = {}) => histogram.observe(labels, value);
  }

  #tell(name: string, read: Read, make: (settings: Settings, readings: Read) => void): void {
    const known = this.#reads.get(name);
    if (known) {
      known.push(read);
      return;
    }
    const reads = [read];
    this.#reads.set(name, reads);
    make({ name: PREFIX + name, registers: [this.#registry] }, () => reads.flatMap((one) => one()));
  }

  /** Everything in Prometheus' text format. */
  async text(): Promise<{ readonly type: string; readonly body: string }> {
    return { type: this.#registry.contentType, body: await this.#registry.metrics() };
  }
}

/** Counts by label, for what only events tell. A label more than `most`, and it counts as `other`. */
export class Tally {
  readonly #label: string;
  readonly #most: number;
  readonly #counts = new Map<string, { labels: Labels; value: number }>();
  readonly #names = new Set<string>();

  constructor(label = 'camera', most = 64) {
    this.#label = label;
    this.#most = most;
  }

  add(name: string, count = 1, more: Labels = {}): void {
    const labels = { [this.#label]: this.nameOf(name), ...more };
    const key = JSON.stringify(labels);
    const entry = this.#counts.get(key) ?? { labels, value: 0 };
    entry.value += count;
    this.#counts.set(key, entry);
  }

  /** The name to count under: what comes from elsewhere must not fill the memory. */
  nameOf(name: string): string {
    if (this.#names.size < this.#most) this.#names.add(name);
    return this.#names.has(name) ? name : 'other';
  }

  get readings(): readonly Reading[] {
    return [...this.#counts.values()].map(({ value, labels }) => [value, labels]);
  }
}

/** Whether each connection holds, and how often it came back. */
export function measureConnections(meter: Meter, watched: Readonly<Record<string, Connected>>): void {
  const connections = Object.entries(watched).map(([stage, { emitter, side }]) => {
    const connection = { stage, isUp: false, ups: 0 };
    const isOurs = (event: { readonly side?: string }) => side === undefined || event.side === side;
    emitter.on('online', (event) => {
      if (!isOurs(event)) return;
      connection.isUp = true;
      connection.ups += 1;
    });
    emitter.on('offline', (event) => {
      if (isOurs(event)) connection.isUp = false;
    });
    return connection;
  });
  meter.gauge('mqtt_connected', 'Whether the connection to a broker holds.', ['stage'], () =>
    connections.map(({ stage, isUp }) => [isUp ? 1 : 0, { stage }]),
  );
  meter.counter('mqtt_reconnects_total', 'How often a connection came back.', ['stage'], () =>
    connections.map(({ stage, ups }) => [Math.max(0, ups - 1), { stage }]),
  );
}

export interface Connected {
  // biome-ignore lint/suspicious/noExplicitAny: whatever else it tells, it tells of online and offline.
  readonly emitter: Pick<EventEmitter<any>, 'on'>;
  /** Of a bridge. */
  readonly side?: 'from' | 'to';
}
