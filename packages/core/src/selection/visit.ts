import type { Candidate } from './candidate';
import { Shortlist } from './shortlist';

/** Why a picture was sent. */
export type SelectionReason =
  /** Policy `all`: every face is. */
  | 'seen'
  /** Policy `first`: somebody is here. */
  | 'begun'
  /** The visit is over. */
  | 'left'
  /** The visit goes on, and the set time is over. */
  | 'latest'
  /** Policy `best-every`: a period is over. */
  | 'period'
  /** The source has ended, or is to end. */
  | 'end';

/** How a policy treats a visit. */
export interface VisitRules {
  /** Pictures at the most. */
  readonly length: number;
  /** Whether the first face is the one, and is due at once. */
  readonly isFirst: boolean;
  /** Milliseconds after which what there is has to go. */
  readonly latest: number;
  /** Whether it begins anew then. */
  readonly isPeriodic: boolean;
}

/** What a visit gives to be sent. */
export interface Due {
  readonly candidates: readonly Candidate[];
  readonly reason: SelectionReason;
}

/** One person's visit: which of the faces are kept, and when they are due. Times in milliseconds, of capture. */
export class Visit {
  readonly #rules: VisitRules;
  readonly #shortlist: Shortlist;
  #from: number;
  #isDone = false;

  constructor(startedAt: number, rules: VisitRules) {
    this.#rules = rules;
    this.#shortlist = new Shortlist(rules.length);
    this.#from = startedAt;
  }

  get held(): readonly Candidate[] {
    return this.#shortlist.candidates;
  }

  /** Whether a face of at most this quality may be sent. */
  wants(quality: number): boolean {
    if (this.#isDone) return false;
    return this.#rules.isFirst ? this.held.length === 0 : this.#shortlist.wants(quality);
  }

  offer(candidate: Candidate): void {
    this.#shortlist.offer(candidate);
  }

  /** What has to go by now, of a person who is still here. */
  due(at: number): Due | undefined {
    const { isFirst, latest, isPeriodic } = this.#rules;
    if (this.#isDone || this.held.length === 0) return undefined;
    if (!isFirst && at - this.#from < latest) return undefined;
    this.#from = at;
    this.#isDone = !isPeriodic;
    const reason = isFirst ? 'begun' : isPeriodic ? 'period' : 'latest';
    return { candidates: this.#shortlist.take(), reason };
  }

  /** The visit is over: what is left goes, or is let go where nobody was there. */
  end(reason: 'left' | 'end', isPerson: boolean): Due | undefined {
    this.#isDone = true;
    if (!isPerson) this.#shortlist.clear();
    const candidates = this.#shortlist.take();
    return candidates.length > 0 ? { candidates, reason } : undefined;
  }
}
