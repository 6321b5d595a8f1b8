/** Which metrics there are. */
export interface Served {
  /** Types by name: `counter`, `gauge`, `histogram`. */
  readonly types: ReadonlyMap<string, string>;
  /** The labels that each series has been seen with, and the values of each; empty where it has none. */
  readonly labels: ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;
}

/** What a running app serves under /metrics. */
export interface Scrape extends Served {
  /** The value of a series; undefined where there is none. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined;
}

const SERIES = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

export async function scrape(url: string): Promise<Scrape> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  return read(await response.text());
}

/** Several apps' names, types and labels as one. */
export function together(scrapes: readonly Served[]): Served {
  const labels: Labels = new Map();
  for (const { labels: own } of scrapes) {
    for (const [name, values] of own) {
      note(labels, name);
      for (const [label, texts] of values) for (const text of texts) note(labels, name, label, text);
    }
  }
  return { types: new Map(scrapes.flatMap((one) => [...one.types])), labels };
}

type Labels = Map<string, Map<string, Set<string>>>;

function note(labels: Labels, name: string, label?: string, text = ''): void {
  const known = labels.get(name) ?? new Map<string, Set<string>>();
  labels.set(name, known);
  if (label !== undefined) known.set(label, (known.get(label) ?? new Set()).add(text));
}

function read(text: string): Scrape {
  const types = new Map<string, string>();
  const series = new Map<string, number>();
  const labels: Labels = new Map();
  for (const line of text.split('\n')) {
    const [, named, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (named && type) types.set(named, type);
    if (line === '' || line.startsWith('#')) continue;
    const [, name, list = '', value] = SERIES.exec(line) ?? [];
    if (name === undefined) throw new Error(`not a line of Prometheus' format: ${line}`);
    const pairs = [...list.matchAll(LABEL)].map(([, label, text]) => [label!, text!] as const);
    series.set(keyOf(name, Object.fromEntries(pairs)), Number(value));
    note(labels, name);
    for (const [label, text] of pairs) note(labels, name, label, text);
  }
  return { types, labels, value: (name, wanted = {}) => series.get(keyOf(name, wanted)) };
}

function keyOf(name: string, labels: Readonly<Record<string, string>>): string {
  return `${name} ${JSON.stringify(Object.entries(labels).sort())}`;
}
