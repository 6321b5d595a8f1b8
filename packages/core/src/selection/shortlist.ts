import type { Candidate } from './candidate';
import { differenceOf } from './thumbnail';

/** Two pictures that differ less are one pose: two frames in a row differ by 0.01 to 0.05. */
const SAME_POSE = 0.1;

/** The best faces of a visit so far, so many at the most, which differ from each other. */
export class Shortlist {
  readonly #length: number;
  #candidates: Candidate[] = [];

  constructor(length: number) {
    this.#length = length;
  }

  get candidates(): readonly Candidate[] {
    return this.#candidates;
  }

  /** Whether a face of this quality has a chance; what it looks like may still speak against it. */
  wants(quality: number): boolean {
    return (
      this.#candidates.length < this.#length ||
      this.#candidates.some((candidate) => candidate.quality < quality)
    );
  }

  /** Takes a candidate, in the place of one that it betters, or lets it go. */
  offer(candidate: Candidate): void {
    const same = this.#candidates.filter(
      ({ thumbnail }) => differenceOf(thumbnail, candidate.thumbnail) < SAME_POSE,
    );
    const rivals = same.length > 0 ? same : this.#candidates.length < this.#length ? [] : [this.#worst()];
    if (rivals.some(({ quality }) => quality >= candidate.quality)) {
      candidate.release?.();
      return;
    }
    for (const rival of rivals) rival.release?.();
    this.#candidates = [...this.#candidates.filter((other) => !rivals.includes(other)), candidate];
  }

  /** Gives all away, in the order of time. */
  take(): Candidate[] {
    const taken = this.#candidates.toSorted((a, b) => a.at - b.at);
    this.#candidates = [];
    return taken;
  }

  /** Lets all go. */
  clear(): void {
    for (const candidate of this.take()) candidate.release?.();
  }

  #worst(): Candidate {
    return this.#candidates.reduce((worst, other) => (other.quality < worst.quality ? other : worst));
  }
}
