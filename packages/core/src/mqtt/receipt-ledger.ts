import { PassingMap } from '../passing-map';
import type { Receipt } from './receipts';

export interface ReceiptRules {
  /** Messages sent and not receipted, at the most. */
  readonly maximumMessages: number;
  /** How much later another must have been sent whose receipt is here, for a message to count as lost, in milliseconds. */
  readonly resendAfterMs: number;
  /** How long no receipt must have come before the oldest message is sent again, in milliseconds. */
  readonly probeAfterMs: number;
}

interface Outstanding extends Receipt {
  readonly position: number;
  /** When it was last sent, in milliseconds of the caller's clock. */
  sentAt: number;
  attempts: number;
  /** Whether the broker has acknowledged what was last sent. */
  isTaken: boolean;
}

/** Pauses double up to this many times the first. */
const LONGEST_PAUSE = 64;
const LONGEST_PROBE_MS = 60_000;

/**
 * Which messages are sent and not receipted, and when one is sent again. It does nothing itself and knows no
 * clock, so that a model can try it (docs/receipts.md has the rules):
 *
 * - A message is lost when the receipt is here for one that was sent `resendAfterMs` later; each further time
 *   it must be twice as much later.
 * - While nothing comes back nothing is sent again, but for the oldest message: where all were lost, nobody
 *   behind us knows that we wait, and this one asks.
 */
export class ReceiptLedger {
  readonly #rules: ReceiptRules;
  /** In the order of sending. */
  readonly #outstanding = new PassingMap<number, Outstanding>();
  readonly #byDigest = new PassingMap<string, Set<Outstanding>>();
  /** When the latest message was sent whose receipt is here. */
  #evidenceAt = Number.NEGATIVE_INFINITY;
  /** When a receipt came last, or we began to wait for one, or asked for one. */
  #heardAt = Number.NEGATIVE_INFINITY;
  #probes = 0;

  constructor(rules: ReceiptRules) {
    this.#rules = rules;
  }

  get size(): number {
    return this.#outstanding.size;
  }

  /** Whether one more may be sent that was not sent before. */
  get hasRoom(): boolean {
    return this.#outstanding.size < this.#rules.maximumMessages;
  }

  /** How many times in a row the oldest was sent again without an answer. */
  get unansweredProbes(): number {
    return this.#probes;
  }

  has(position: number): boolean {
    return this.#outstanding.has(position);
  }

  /** A message goes out, for the first time or again. */
  sent(position: number, receipt: Receipt, now: number): void {
    if (this.#outstanding.size === 0) this.#heardAt = now;
    const known = this.#outstanding.get(position);
    this.forget(position);
    const attempts = 1 + (known?.attempts ?? 0);
    const outstanding = { ...receipt, position, sentAt: now, attempts, isTaken: false };
    this.#outstanding.set(position, outstanding);
    const same = this.#byDigest.get(receipt.sha256) ?? new Set();
    this.#byDigest.set(receipt.sha256, same.add(outstanding));
  }

  /** The broker has acknowledged it; false when it has acknowledged an earlier attempt. */
  taken(position: number): boolean {
    const outstanding = this.#outstanding.get(position);
    if (!outstanding) return false;
    outstanding.isTaken = true;
    return outstanding.attempts === 1;
  }

  /** The link is gone: what the broker has never acknowledged counts as not sent. */
  lost(): void {
    for (const outstanding of [...this.#outstanding.values()]) {
      if (outstanding.attempts > 1) outstanding.isTaken = true;
      else if (!outstanding.isTaken) this.forget(outstanding.position);
    }
  }

  /** It was not sent after all, or is wanted no more. */
  forget(position: number): void {
    const outstanding = this.#outstanding.get(position);
    if (!outstanding) return;
    this.#outstanding.delete(position);
    const same = this.#byDigest.get(outstanding.sha256);
    same?.delete(outstanding);
    if (same?.size === 0) this.#byDigest.delete(outstanding.sha256);
  }

  /** Takes a receipt in; gives the positions of what is safe now. */
  receipt({ id, sha256 }: Receipt, now: number): number[] {
    const found = [...(this.#byDigest.get(sha256) ?? [])].filter((one) => id === undefined || one.id === id);
    if (found.length === 0) return [];
    this.#heardAt = now;
    this.#probes = 0;
    for (const { position, sentAt } of found) {
      this.#evidenceAt = Math.max(this.#evidenceAt, sentAt);
      this.forget(position);
    }
    return found.map(({ position }) => position);
  }

  /** The positions of what is to be sent again now, the longest out first; the caller sends them. */
  due(now: number): number[] {
    const { resendAfterMs } = this.#rules;
    const due: number[] = [];
    let oldest: Outstanding | undefined;
    for (const outstanding of this.#outstanding.values()) {
      const { position, sentAt, attempts, isTaken } = outstanding;
      if (isTaken) oldest ??= outstanding;
      // In the order of sending: nothing behind it can be due either.
      if (oldest && sentAt + resendAfterMs > this.#evidenceAt) break;
      const pauseMs = resendAfterMs * Math.min(2 ** (attempts - 1), LONGEST_PAUSE);
      if (isTaken && sentAt + pauseMs <= this.#evidenceAt) due.push(position);
    }
    return due.length > 0 || !oldest ? due : this.#probe(oldest, now);
  }

  #probe({ position, sentAt }: Outstanding, now: number): number[] {
    const { probeAfterMs } = this.#rules;
    const silentMs = Math.min(probeAfterMs * 2 ** this.#probes, Math.max(LONGEST_PROBE_MS, probeAfterMs));
    if (now - Math.max(this.#heardAt, sentAt) < silentMs) return [];
    this.#probes += 1;
    this.#heardAt = now;
    return [position];
  }
}
