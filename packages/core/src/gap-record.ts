import type { Message } from './message';

/** The CloudEvents `type` of a gap record. */
export const GAP_EVENT_TYPE = 'dev.edge-relay.gap.v1';
/** The content type of a gap record. */
export const GAP_CONTENT_TYPE = 'application/vnd.edge-relay.gap+json';

/** Why pictures were left out: no room, too old to be sent, refused by the broker, or sent with QoS 0 while it was away. */
export type GapReason = 'full' | 'expired' | 'refused' | 'offline';

/** First and last of numbers that follow each other; the same where it is one. */
export type NumberRange = readonly [first: number, last: number];

/** Says that pictures with these numbers will not come, and that this was meant. It is a message like theirs. */
export interface GapRecord {
  /** The CloudEvents `type`, by which it is told from a picture. */
  readonly type: typeof GAP_EVENT_TYPE;
  /** Its own id, the same each time it is sent. */
  readonly id: string;
  /** The camera whose pictures they were. */
  readonly camera: string;
  /** The run of the process in which the numbers were given. */
  readonly boot: string;
  /** The numbers that will not come. */
  readonly numbers: readonly NumberRange[];
  /** Why they were left out. */
  readonly reason: GapReason;
  /** When the last of them was left out; RFC 3339 in UTC. */
  readonly time: string;
}

/** Ours are far shorter. */
const LONGEST_BYTES = 64 * 1024;
const BEGINNING = `{"type":"${GAP_EVENT_TYPE}"`;
const LONGEST_NAME = 512;
const REASONS: readonly string[] = ['full', 'expired', 'refused', 'offline'];

/** The payload of a gap record's message: JSON that begins with its type, by which it is known on MQTT 3.1.1. */
export function encodeGap(gap: GapRecord): Buffer {
  const { type, ...rest } = gap;
  return Buffer.from(JSON.stringify({ type, ...rest }));
}

/** The gap record that a message is; undefined for any other message, and for one that is not of this form. */
export function gapIn({ payload }: Pick<Message, 'payload'>): GapRecord | undefined {
  if (payload.byteLength > LONGEST_BYTES || payload[0] !== 0x7b) return undefined;
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString();
  if (!text.startsWith(BEGINNING)) return undefined;
  try {
    const gap = JSON.parse(text) as GapRecord;
    return isGap(gap) ? gap : undefined;
  } catch {
    return undefined;
  }
}

/** `17-25,28` */
export function formatRanges(ranges: readonly NumberRange[]): string {
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}

/** What `formatRanges()` wrote; what is no range is left out. */
export function parseRanges(text: string): NumberRange[] {
  return text.split(',').flatMap((part) => {
    const match = /^(\d{1,15})(?:-(\d{1,15}))?$/.exec(part);
    if (!match) return [];
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    return last >= first ? [[first, last] as const] : [];
  });
}

/** The fewest ranges that hold these numbers. */
export function rangesOf(numbers: Iterable<number>): NumberRange[] {
  const ranges: [number, number][] = [];
  for (const number of [...numbers].sort((one, other) => one - other)) {
    const last = ranges.at(-1);
    if (last && number <= last[1] + 1) last[1] = Math.max(last[1], number);
    else ranges.push([number, number]);
  }
  return ranges;
}

function isGap(gap: GapRecord): boolean {
  const names = [gap.id, gap.camera, gap.boot];
  return (
    names.every((name) => typeof name === 'string' && name !== '' && name.length <= LONGEST_NAME) &&
    REASONS.includes(gap.reason) &&
    typeof gap.time === 'string' &&
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(gap.time) &&
    Number.isFinite(Date.parse(gap.time)) &&
    Array.isArray(gap.numbers) &&
    gap.numbers.every(isRange)
  );
}

function isRange(range: unknown): boolean {
  if (!Array.isArray(range) || range.length !== 2) return false;
  const [first, last] = range as [unknown, unknown];
  return (
    Number.isSafeInteger(first) && Number.isSafeInteger(last) && 0 <= (first as number) && first! <= last!
  );
}
