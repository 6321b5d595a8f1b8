/** A block of memory that a connection is read into, in bytes. */
const SLAB_BYTES = 512 * 1024;
/** Blocks that wait to be read into again, at the most. */
const SPARE_SLABS = 16;
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
  readonly bytes: Buffer;
  readonly #slabs: Slabs;
  #lent = 0;
  #isFull = false;
  /** Whether no payload of it was ever lent: it can be read into again from its beginning. */
  isUnused = true;

  constructor(bytes: Buffer, slabs: Slabs) {
    this.bytes = bytes;
    this.#slabs = slabs;
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
    if (this.#isFull && this.#lent === 0) this.#slabs.recycle(this.bytes);
  }

  /** Nothing more is read into it, until it is all given back. */
  full(): void {
    this.#isFull = true;
    if (this.#lent === 0) this.#slabs.recycle(this.bytes);
  }
}

/** The slabs of one reader. */
export class Slabs {
  readonly #spare: ArrayBuffer[] = [];
  /** Where copies go. */
  #target: Slab | undefined;
  #copied = 0;

  /** A copy that is on loan, as a payload is that was read into a slab. */
  copy(payload: Uint8Array): Buffer {
    const { byteLength } = payload;
    if (!this.#target || this.#copied + byteLength > this.#target.bytes.byteLength) {
      this.#target?.full();
      this.#target = this.next(byteLength);
      this.#copied = 0;
    }
    const copy = this.#target.bytes.subarray(this.#copied, this.#copied + byteLength);
    copy.set(payload);
    const lent = this.#target.lend(copy);
    if (lent === copy) this.#copied += byteLength;
    return lent;
  }

  /** One of at least so many bytes. */
  next(bytes: number): Slab {
    const memory = bytes <= SLAB_BYTES ? this.#spare.pop() : undefined;
    return new Slab(memory ? Buffer.from(memory) : Buffer.allocUnsafeSlow(Math.max(bytes, SLAB_BYTES)), this);
  }

  /** Who still looks at a payload in it sees it empty, and never the bytes of another one. */
  recycle({ buffer, byteLength }: Buffer): void {
    if (byteLength !== SLAB_BYTES || this.#spare.length === SPARE_SLABS) return;
    this.#spare.push(structuredClone(buffer as ArrayBuffer, { transfer: [buffer as ArrayBuffer] }));
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

/** The payload stays as it is for as long as somebody looks at it: it is not given back any more. */
export function keep(payload: Lent): void {
  if (payload[LENDER]) payload[LENDER] = undefined;
}
