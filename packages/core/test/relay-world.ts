import { ReceiptLedger, type ReceiptRules } from '../src/mqtt/receipt-ledger';
import { decodeReceipts, digestOf, encodeReceipts, receiptFor } from '../src/mqtt/receipts';

interface Picture {
  readonly id: string;
  readonly payload: Buffer;
}

/** A place where things wait in a line. */
type Line<Item> = Item[];

/**
 * A model of the way from a publisher to a store and back, in one thread and with a clock of its own: two
 * brokers that forget all when they are killed, a bridge with a spool on disk, a store, and the receipts'
 * way back. The publisher's decisions are those of the real ReceiptLedger.
 */
export class RelayWorld {
  static readonly moves = [
    'publish',
    'publish the same bytes',
    'send',
    'send, and the answer is lost',
    'edge to bridge',
    'edge to bridge, twice',
    'bridge to cloud',
    'bridge to cloud, twice',
    'cloud to store',
    'cloud to store, twice',
    'receipts to edge',
    'receipts to publisher',
    'a second passes',
    'a minute passes',
    'kill publisher',
    'kill edge broker',
    'kill cloud broker',
    'lose receipts',
  ] as const;

  /** What went wrong, if anything did. */
  problem: string | undefined;
  readonly #rules: ReceiptRules;
  /** Whether a hop takes properties off. */
  readonly #strips: boolean;
  #now = 0;
  #position = 0;
  readonly #published: Picture[] = [];
  readonly #spool = new Map<number, Picture>();
  #ledger: ReceiptLedger;
  #edge: Line<Picture> = [];
  readonly #bridge: Line<Picture> = [];
  #cloud: Line<Picture> = [];
  readonly #store = new Set<string>();
  #cloudReceipts: Line<Buffer> = [];
  #edgeReceipts: Line<Buffer> = [];
  #hasHeard = false;

  constructor(rules: ReceiptRules, strips: boolean) {
    this.#rules = rules;
    this.#strips = strips;
    this.#ledger = new ReceiptLedger(rules);
  }

  get spooled(): number {
    return this.#spool.size;
  }

  /** The ids that were published and are not in the store. */
  get missing(): string[] {
    return this.#published.filter((picture) => !this.#isStored(picture)).map(({ id }) => id);
  }

  /** One thing happens; `where` chooses among what waits, so that it is overtaken. */
  move(what: (typeof RelayWorld.moves)[number], where: number): void {
    const steps: Record<typeof what, () => void> = {
      publish: () => this.#publish(Buffer.from(`picture ${this.#position}`)),
      'publish the same bytes': () => this.#publish(Buffer.from('the same')),
      send: () => this.#send(true),
      'send, and the answer is lost': () => this.#send(false),
      'edge to bridge': () => this.#hold(take(this.#edge, where)),
      'edge to bridge, twice': () => this.#hold(this.#edge[0]),
      'bridge to cloud': () => this.#cloud.push(...some(take(this.#bridge, where))),
      'bridge to cloud, twice': () => this.#cloud.push(...some(this.#bridge[0])),
      'cloud to store': () => this.#put(take(this.#cloud, where)),
      'cloud to store, twice': () => this.#put(this.#cloud[0]),
      'receipts to edge': () => this.#edgeReceipts.push(...some(take(this.#cloudReceipts, where))),
      'receipts to publisher': () => this.#hear(take(this.#edgeReceipts, where)),
      'a second passes': () => this.#pass(1_000),
      'a minute passes': () => this.#pass(60_000),
      'kill publisher': () => {
        this.#ledger = new ReceiptLedger(this.#rules);
      },
      'kill edge broker': () => {
        this.#edge = [];
        this.#edgeReceipts = [];
        this.#ledger.lost();
      },
      'kill cloud broker': () => {
        this.#cloud = [];
        this.#cloudReceipts = [];
      },
      'lose receipts': () => {
        this.#edgeReceipts = [];
        this.#cloudReceipts = [];
      },
    };
    steps[what]();
    this.#check();
  }

  /** No more faults: everything flows, for an hour at the most. */
  calm(): void {
    for (let second = 0; second < 3_600 && this.#spool.size > 0; second += 1) {
      this.#pass(1_000);
      this.#send(true);
      for (const picture of this.#edge.splice(0)) this.#hold(picture);
      this.#cloud.push(...this.#bridge.splice(0));
      for (const picture of this.#cloud.splice(0)) this.#put(picture);
      this.#edgeReceipts.push(...this.#cloudReceipts.splice(0));
      for (const payload of this.#edgeReceipts.splice(0)) this.#hear(payload);
      this.#check();
    }
  }

  #publish(payload: Buffer): void {
    this.#position += 1;
    const picture = { id: `id-${this.#position}`, payload };
    this.#published.push(picture);
    this.#spool.set(this.#position, picture);
  }

  #send(isAnswered: boolean): void {
    for (const [position, picture] of this.#spool) {
      if (!this.#ledger.has(position) && this.#ledger.hasRoom) this.#sendOne(position, picture, isAnswered);
    }
    if (!isAnswered) this.#ledger.lost();
  }

  #sendOne(position: number, picture: Picture, isAnswered: boolean): void {
    this.#ledger.sent(position, { id: picture.id, sha256: digestOf(picture.payload) }, this.#now);
    this.#edge.push(picture);
    if (isAnswered) this.#ledger.taken(position);
  }

  #pass(milliseconds: number): void {
    this.#now += milliseconds;
    const due = this.#ledger.due(this.#now);
    if (!this.#hasHeard && due.length > 1) this.problem ??= `${due.length} sent again, and nothing was heard`;
    this.#hasHeard = false;
    for (const position of due) this.#sendOne(position, this.#spool.get(position)!, true);
  }

  /** The bridge drops what it holds. */
  #hold(picture: Picture | undefined): void {
    const isHeld = this.#bridge.some(
      ({ id, payload }) => id === picture?.id && payload.equals(picture.payload),
    );
    if (picture && !isHeld) this.#bridge.push(picture);
  }

  #put(picture: Picture | undefined): void {
    if (!picture) return;
    this.#store.add(this.#keyOf(picture));
    const { id, payload } = picture;
    this.#cloudReceipts.push(
      encodeReceipts({ receipts: [receiptFor({ id, payload, properties: this.#strips ? {} : { id } })] }),
    );
  }

  #hear(payload: Buffer | undefined): void {
    for (const receipt of (payload && decodeReceipts(payload)?.receipts) ?? []) {
      for (const position of this.#ledger.receipt(receipt, this.#now)) {
        if (!this.#isStored(this.#spool.get(position)!))
          this.problem ??= `position ${position} is not stored`;
        this.#spool.delete(position);
      }
      this.#hasHeard = true;
    }
  }

  #check(): void {
    if (this.#ledger.size > this.#rules.maximumMessages) this.problem ??= `${this.#ledger.size} are out`;
  }

  /** Without properties the same bytes are the same message. */
  #keyOf({ id, payload }: Picture): string {
    return this.#strips ? digestOf(payload) : id;
  }

  #isStored(picture: Picture): boolean {
    return this.#store.has(this.#keyOf(picture));
  }
}

function take<Item>(line: Line<Item>, where: number): Item | undefined {
  return line.splice(line.length === 0 ? 0 : where % line.length, 1)[0];
}

function some<Item>(item: Item | undefined): Item[] {
  return item === undefined ? [] : [item];
}
