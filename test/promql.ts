import { parser } from '@prometheus-io/lezer-promql';
import type { Served } from './scrape';

/** Grafana puts something in the place of these before Prometheus sees them. */
const plain = (query: string) => query.replaceAll(/\$\{?camera\}?/g, '.*');
const HISTOGRAM_PART = /_(bucket|sum|count)$/;
/** What Prometheus itself adds. */
const ADDED_METRICS = ['up'];
const ADDED_LABELS = ['instance', 'job'];
/** Whose values are not ours to choose. */
const FREE_LABELS = ['camera', ...ADDED_LABELS];

/** The names of the metrics that a query asks for. */
export function metricsIn(query: string): string[] {
  return partsOf(query, 'Identifier');
}

/** Labels that the answer to a query has: those of a grouping, or those of its metrics. */
export function labelsOfAnswer(query: string, scrape: Served): string[] {
  const grouped = partsOf(query, 'GroupingLabels').flatMap((list) => list.match(/\w+/g) ?? []);
  if (grouped.length > 0) return grouped.filter((label) => label !== 'le');
  return [...metricsIn(query).flatMap((name) => namesOf(scrape.labels.get(name))), ...ADDED_LABELS];
}

/** What is wrong with a query for apps that serve these metrics. */
export function mistakes(query: string, { types, labels }: Served): string[] {
  const names = metricsIn(query);
  const isHistogram = (name: string) => types.get(name.replace(HISTOGRAM_PART, '')) === 'histogram';
  const isKnown = (name: string) => {
    if (ADDED_METRICS.includes(name)) return true;
    return HISTOGRAM_PART.test(name) && isHistogram(name)
      ? true
      : ['counter', 'gauge'].includes(types.get(name) ?? '');
  };
  const allowed = [...names.flatMap((name) => namesOf(labels.get(name))), ...ADDED_LABELS];
  const valuesOf = (label: string) => names.flatMap((name) => [...(labels.get(name)?.get(label) ?? [])]);
  const rated = [...plain(query).matchAll(/\b(?:rate|increase)\((\w+)/g)].map(([, name]) => name!);
  return [
    ...partsOf(query, 'an error').map((part) => `cannot be read at ${JSON.stringify(part)}`),
    ...names.filter((name) => !isKnown(name)).map((name) => `there is no metric ${name}`),
    ...partsOf(query, 'LabelName')
      .filter((label) => !allowed.includes(label))
      .map((label) => `${names.join(', ')}: there is no label ${label}`),
    ...matchersIn(query)
      .filter(({ label }) => !FREE_LABELS.includes(label))
      .flatMap(({ label, values }) => values.map((value) => ({ label, value })))
      .filter(({ label, value }) => !valuesOf(label).includes(value))
      .map(({ label, value }) => `${names.join(', ')}: the label ${label} is never ${value}`),
    ...rated.filter((name) => types.get(name) === 'gauge').map((name) => `${name} is no counter`),
  ];
}

/** What a query asks of labels: `{result=~"refused|dropped"}`. */
function matchersIn(query: string): { readonly label: string; readonly values: readonly string[] }[] {
  const found = plain(query).matchAll(/(\w+) *(?:=~|!~|!=|=) *"([^"]*)"/g);
  return [...found].map(([, label, text]) => ({ label: label!, values: text!.split('|') }));
}

function namesOf(values: ReadonlyMap<string, unknown> | undefined): string[] {
  return [...(values?.keys() ?? [])];
}

/** The parts of a query of one kind. */
function partsOf(query: string, kind: string): string[] {
  const text = plain(query);
  const found: string[] = [];
  parser.parse(text).iterate({
    enter({ name, type, from, to }) {
      if (name === kind || (type.isError && kind === 'an error')) found.push(text.slice(from, to));
    },
  });
  return found;
}
