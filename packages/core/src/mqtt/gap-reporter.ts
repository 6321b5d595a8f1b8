import { randomUUID } from 'node:crypto';
import { RelayError } from '../errors';
import {
  encodeGap,
  GAP_CONTENT_TYPE,
  GAP_EVENT_TYPE,
  type GapReason,
  type GapRecord,
  gapIn,
  rangesOf,
} from '../gap-record';
import { type Message, propertyOf } from '../message';
import type { OutgoingMessage, PublisherEvents } from './publisher-options';

/** What it listens to, and speaks through: a Publisher. */
export interface GapSource {
  /** Hears of a message that left without having been sent, or that can never be sent. */
  on<Name extends 'drop' | 'refused'>(
    name: Name,
    listener: (...args: PublisherEvents[Name]) => void,
  ): unknown;
  /** Hears no more of it. */
  off<Name extends 'drop' | 'refused'>(
    name: Name,
    listener: (...args: PublisherEvents[Name]) => void,
  ): unknown;
  /** Publishes a gap record; resolves when it is safe. */
  publish(message: OutgoingMessage): Promise<void>;
}

/** Pictures of one camera that were left out for one reason. */
interface Gap {
  readonly topic: string;
  readonly camera: string;
  readonly boot: string;
  readonly reason: GapReason;
  readonly numbers: Set<number>;
}

/** How long numbers gather before a record of them is sent. */
const GATHER_MS = 1_000;
const CLOSE_TIMEOUT_MS = 1_000;
/** Of one record; it stays far below what a sink reads as one. */
const RANGES = 1_000;
/** Numbers that wait to be told, at the most. Beyond it, an audit takes them for lost. */
const NUMBERS = 100_000;

/**
 * Publishes a gap record for the pictures that a publisher drops or that its broker refuses, so that an audit
 * tells them from losses: a small message on the same topic, from their properties `camera`, `boot` and `number`.
 * Messages without these are passed over. Its process killed within a second of a drop, the record is missing,
 * and the audit says so: it never takes a loss for a choice.
 *
 * @example
 * const gaps = new GapReporter(publisher);
 * await pipeline(camera, detector, selector, publisher);
 * await gaps.close();
 * await publisher.close();
 */
export class GapReporter {
  readonly #source: GapSource;
  readonly #gaps = new Map<string, Gap>();
  readonly #counts = { numbers: 0, records: 0, untold: 0 };
  readonly #dropped = ({ message, reason }: PublisherEvents['drop'][0]) => this.#left(message, reason);
  readonly #refused = ({ message }: PublisherEvents['refused'][0]) => this.#left(message, 'refused');
  #waiting = 0;
  #timer: NodeJS.Timeout | undefined;
  #telling: Promise<void> | undefined;

  constructor(publisher: GapSource) {
    this.#source = publisher;
    publisher.on('drop', this.#dropped);
    publisher.on('refused', this.#refused);
  }

  /** `numbers` of pictures that were left out, `records` of them published, `untold` for want of room. */
  get stats() {
    return { ...this.#counts };
  }

  /**
   * Publishes what is to be told yet, in so many milliseconds at the most; call it before the publisher is
   * closed. Idempotent.
   */
  async close(timeoutMs = CLOSE_TIMEOUT_MS): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([timeout, Promise.all([this.#telling, this.#tell()])]);
    clearTimeout(timer);
    this.#source.off('drop', this.#dropped);
    this.#source.off('refused', this.#refused);
    clearTimeout(this.#timer);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #left(message: Message, reason: GapReason): void {
    const record = gapIn(message);
    // The record of a gap was dropped itself: what it told is to be told again.
    if (record) this.#take(message.topic ?? '', record, record.reason, numbersIn(record));
    const camera = propertyOf(message, 'camera');
    const boot = propertyOf(message, 'boot');
    const number = Number(propertyOf(message, 'number') ?? Number.NaN);
    if (record || !camera || !boot || !Number.isSafeInteger(number) || number < 0) return;
    this.#counts.numbers += 1;
    this.#take(message.topic ?? '', { camera, boot }, reason, [number]);
  }

  #take(
    topic: string,
    { camera, boot }: Pick<GapRecord, 'camera' | 'boot'>,
    reason: GapReason,
    numbers: number[],
  ) {
    const name = JSON.stringify([topic, camera, boot, reason]);
    let gap = this.#gaps.get(name);
    if (!gap) {
      gap = { topic, camera, boot, reason, numbers: new Set() };
      this.#gaps.set(name, gap);
    }
    for (const number of numbers) {
      if (this.#waiting >= NUMBERS) this.#counts.untold += 1;
      else if (!gap.numbers.has(number)) {
        gap.numbers.add(number);
        this.#waiting += 1;
      }
    }
    this.#timer ??= setTimeout(() => this.#begin(), GATHER_MS);
  }

  #begin(): void {
    this.#timer = undefined;
    // While the last ones wait for room in the spool, further numbers gather.
    if (this.#telling) this.#timer = setTimeout(() => this.#begin(), GATHER_MS);
    else
      this.#telling = this.#tell().finally(() => {
        this.#telling = undefined;
      });
  }

  async #tell(): Promise<void> {
    const gaps = [...this.#gaps.values()];
    this.#gaps.clear();
    this.#waiting = 0;
    await Promise.all(gaps.map((gap) => this.#publish(gap)));
  }

  async #publish({ topic, camera, boot, reason, numbers }: Gap): Promise<void> {
    const ranges = rangesOf(numbers);
    for (let from = 0; from < ranges.length; from += RANGES) {
      const id = `gap-${randomUUID()}`;
      const time = new Date().toISOString();
      const some = ranges.slice(from, from + RANGES);
      const gap: GapRecord = { type: GAP_EVENT_TYPE, id, camera, boot, numbers: some, reason, time };
      const attributes = {
        specversion: '1.0',
        id,
        source: `/${camera}`,
        type: GAP_EVENT_TYPE,
        time,
        camera,
        boot,
      };
      const message = {
        id,
        topic,
        payload: encodeGap(gap),
        contentType: GAP_CONTENT_TYPE,
        properties: attributes,
      };
      try {
        await this.#source.publish(message);
        this.#counts.records += 1;
      } catch (error) {
        // What the publisher drops comes back to us as an event.
        const isDropped = error instanceof RelayError && error.code === 'MESSAGE_DROPPED';
        if (!isDropped) this.#counts.untold += numbersIn(gap).length;
      }
    }
  }
}

function numbersIn({ numbers }: GapRecord): number[] {
  return numbers.flatMap(([first, last]) =>
    Array.from({ length: Math.min(NUMBERS, last - first + 1) }, (_, at) => first + at),
  );
}
