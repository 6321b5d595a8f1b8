/** A block of memory that a connection is read into, in bytes, with a page before what is read. */
const SLAB_BYTES = 512 * 1024;
/**
 * Blocks that wait to be read into again, whoever reads, at the most: as many as messages fill that are on their way to the disk and
 * to the far broker, with a round trip of 100 ms, too.
 */
const SPARE_SLABS = 96;
const spare: ArrayBuffer[] = [];
/** Where memory and a disk have to begin for a write that makes no copy: at a multiple of so many bytes. */
export const PAGE_BYTES = 4_096;
/** A smaller payload is copied, in bytes: it would keep a whole slab. */
const WORTH_LENDING_BYTES = 4_096;

/** The slab that a payload was lent from: not a WeakMap, which costs the collection of garbage a look at each payload. */
const LENDER = Symbol('lender');

interface Lent extends Uint8Array {
  [LENDER]?: Slab | undefined;
}

/**
 * Memory that a connection is read into, and that payloads are parts of. Where all of its payloads are given
 * back, it is read into again: fresh memory for each payload costs the collection of garbage more than all
 * else that a relay does with it. What is not given back is the collector's, as anything else.
 */
export class Slab {
  /** What is read into; with a page before it, empty, since a write to a disk that makes no copy begins at a multiple of one. */
  readonly bytes: Buffer;
  #lent = 0;
  #isFull = false;
  /** Whether no payload of it was ever lent: it can be read into again from its beginning. */
  isUnused = true;

  /** One of at least so many bytes. */
  constructor(bytes: number) {
    const needed = bytes + PAGE_BYTES;
    const memory = (needed <= SLAB_BYTES && spare.pop()) || newMemory(Math.max(needed, SLAB_BYTES));
    this.bytes = Buffer.from(memory, PAGE_BYTES);
  }

  /** The payload for somebody who gives it back, `giveBack()`, or lets it go; a small one as a copy. */
  lend(payload: Buffer & Lent): Buffer {
    if (payload.byteLength < WORTH_LENDING_BYTES) return Buffer.from(payload);
    this.isUnused = false;
    this.#lent += 1;
    payload[LENDER] = this;
    return payload;
  }

  /** One payload less is in use. */
  returned(): void {
    this.#lent -= 1;
    if (this.#isFull && this.#lent === 0) this.#recycle();
  }

  /** Nothing more is read into it, until it is all given back. */
  full(): void {
    this.#isFull = true;
    if (this.#lent === 0) this.#recycle();
  }

  /** Who still looks at a payload in it sees it empty, and never the bytes of another one. */
  #recycle(): void {
    const buffer = this.bytes.buffer as ArrayBuffer;
    if (buffer.byteLength !== SLAB_BYTES || spare.length === SPARE_SLABS) return;
    spare.push(structuredClone(buffer, { transfer: [buffer] }));
  }
}

/** What lay in it before may be anybody's, and must not get to a disk. */
function newMemory(bytes: number): ArrayBuffer {
  const memory = Buffer.allocUnsafeSlow(bytes);
  memory.fill(0, 0, PAGE_BYTES);
  return memory.buffer as ArrayBuffer;
}

/** Copies of payloads, on loan as those are that were read into a slab. */
export class LentCopies {
  #slab = new Slab(0);
  #end = 0;

  copy(payload: Uint8Array): Buffer {
    const { byteLength } = payload;
    if (this.#end + byteLength > this.#slab.bytes.byteLength) {
      this.#slab.full();
      this.#slab = new Slab(byteLength);
      this.#end = 0;
    }
    const copy = this.#slab.bytes.subarray(this.#end, this.#end + byteLength);
    copy.set(payload);
    const lent = this.#slab.lend(copy);
    if (lent === copy) this.#end += byteLength;
    return lent;
  }
}

/**
 * Gives a payload back that came from a slab; anything else is left alone. Only who is sure that nobody looks at
 * it any more may call it; who is not need not.
 */
export function giveBack(payload: Lent): void {
  const slab = payload[LENDER];
  if (!slab) return;
  payload[LENDER] = undefined;
  slab.returned();
}

/** Whether it is on loan from a slab. */
export function isLent(payload: Lent): boolean {
  return payload[LENDER] !== undefined;
}

/** Whether two payloads are on loan from the same slab: what lies between them was read from the same connection. */
export function areNeighbours(one: Lent, other: Lent): boolean {
  const slab = one[LENDER];
  return slab !== undefined && slab === other[LENDER];
}

/** The payload stays as it is for as long as somebody looks at it: it is not given back any more. */
export function keep(payload: Lent): void {
  if (payload[LENDER]) payload[LENDER] = undefined;
}
