import type { Message } from '../message';
import { areNeighbours } from '../slab';
import { asBuffer } from './lmdb-tables';
import type { Indexed } from './spool-index';

/** A message with what the books keep of it. */
export interface Bundled {
  readonly message: Message;
  readonly kept: Indexed;
}

/** Messages that follow each other, and are written as one value. */
export interface Bundle<Item extends Bundled> {
  readonly items: readonly Item[];
  /** Their payloads, with what lies between. */
  readonly bytes: Buffer;
  /** Where each payload begins in it. */
  readonly starts: readonly number[];
}

/** How many messages a bundle has at the most. */
export const BUNDLE_MESSAGES = 64;
/** What a bundle takes at the most, in bytes, but for a single larger message: free room is sought for it in one piece. */
export const BUNDLE_BYTES = 160 * 1024;
/** Smaller payloads are copied together, in bytes: that costs less than a value for each. */
const SMALL_BYTES = 4_096;
/** What may lie between two payloads in one slab, in bytes: the topic and the properties of the second. */
const GAP_BYTES = 512;

/**
 * Bundles messages, in their order. Payloads that lie one after the other in a slab are written as they lie; small ones
 * are copied together. Only messages that will leave at about the same time share a bundle, since it leaves as a
 * whole: those of one topic (which may have to wait for a subscriber), priority and expiry, at neighbouring positions
 * within one block.
 */
export function bundlesOf<Item extends Bundled>(items: readonly Item[], blockRows: number): Bundle<Item>[] {
  const bundles: Bundle<Item>[] = [];
  let from = 0;
  let bytes = 0;
  for (let to = 1; to <= items.length; to += 1) {
    const last = items[to - 1]!;
    const next = items[to];
    bytes += last.message.payload.byteLength;
    const hasRoom =
      next !== undefined &&
      to - from < BUNDLE_MESSAGES &&
      bytes + next.message.payload.byteLength + (to - from) * GAP_BYTES <= BUNDLE_BYTES;
    if (hasRoom && belongTogether(last, next, blockRows)) continue;
    bundles.push(bundleOf(items.slice(from, to)));
    from = to;
    bytes = 0;
  }
  return bundles;
}

function belongTogether(one: Bundled, next: Bundled, blockRows: number): boolean {
  const [{ kept, message }, { position }] = [one, next.kept];
  if (position !== kept.position + 1 || position % blockRows === 0) return false;
  if (message.topic !== next.message.topic || message.expirySeconds !== next.message.expirySeconds)
    return false;
  if (kept.priority !== next.kept.priority) return false;
  const [payload, following] = [message.payload, next.message.payload];
  if (payload.byteLength < SMALL_BYTES) return following.byteLength < SMALL_BYTES;
  const gap = following.byteOffset - payload.byteOffset - payload.byteLength;
  return gap >= 0 && gap <= GAP_BYTES && areNeighbours(payload, following);
}

function bundleOf<Item extends Bundled>(items: readonly Item[]): Bundle<Item> {
  const payloads = items.map(({ message }) => message.payload);
  const [first, last] = [payloads[0]!, payloads.at(-1)!];
  if (payloads.length > 1 && first.byteLength < SMALL_BYTES) {
    const starts: number[] = [];
    let end = 0;
    for (const { byteLength } of payloads) {
      starts.push(end);
      end += byteLength;
    }
    return { items, bytes: Buffer.concat(payloads, end), starts };
  }
  const starts = payloads.map(({ byteOffset }) => byteOffset - first.byteOffset);
  const length = last.byteOffset + last.byteLength - first.byteOffset;
  // As it is: what is published must not be changed while it is on its way.
  const bytes = items.length === 1 ? asBuffer(first) : Buffer.from(first.buffer, first.byteOffset, length);
  return { items, bytes, starts };
}
