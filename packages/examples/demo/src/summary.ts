/** What came out of a run; `--json` writes it as it is. */
export interface Summary {
  readonly frames: number;
  readonly faces: number;
  readonly selected: number;
  readonly published: number;
  readonly forwarded: number;
  /** Objects in the store. */
  readonly stored: number;
  /** Messages that came twice and were stored once. */
  readonly duplicates: number;
  /** Pictures selected that are not in the store. */
  readonly lost: number;
  /** Of all pictures in the store. */
  readonly bytes: number;
  readonly seconds: number;
  /** From reading the frame to the picture being durable in the store. */
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  /** Where the pictures are. */
  readonly store: string;
}

/** The value that this share of the values does not exceed (nearest rank); 0 where there are none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

/** The summary for people. */
export function format(summary: Summary): string {
  const { frames, faces, selected, published, forwarded, stored, duplicates, lost, bytes, seconds } = summary;
  const { latencyMs, store } = summary;
  const count = (value: number) => value.toLocaleString('en').padStart(9);
  const rows = [
    ['frames looked at', count(frames), `${(frames / seconds).toFixed(0)} a second`],
    ['faces found', count(faces), ''],
    ['published', count(published), selected === published ? 'every one of them' : `of ${selected} selected`],
    ['forwarded', count(forwarded), 'from the edge broker to the cloud broker'],
    ['stored', count(stored), `${(bytes / 1e6).toFixed(1)} MB, ${duplicates} duplicates`],
    ['lost', count(lost), lost === 0 ? 'nothing' : 'THIS SHOULD NOT BE'],
  ];
  const lines = rows.map(([name = '', value = '', note = '']) =>
    `  ${name.padEnd(17)}${value}   ${note}`.trimEnd(),
  );
  const latency = `half within ${latencyMs.p50} ms, 99 % within ${latencyMs.p99} ms`;
  return [
    '',
    ...lines,
    '',
    `  from frame read to picture stored: ${latency}`,
    `  took ${seconds.toFixed(1)} s; the pictures are in ${store}`,
    '',
  ].join('\n');
}
