import type { Detection } from '../face';
import { trackId } from '../identity';
import { Budget, type BudgetOptions } from './budget';
import type { Candidate } from './candidate';
import { nextTrack } from './numbers';
import { ScoreScale } from './quality';
import type { Track } from './track';
import { Tracker, type TrackerOptions, type Tracking } from './tracker';
import { type Due, Visit, type VisitRules } from './visit';

/** Without a frame for so long, the wall clock tells how late it is. */
const SILENT_MS = 1_000;

/** What one detector sees of one camera: who is there, and what is kept of each. */
export class Scene {
  readonly camera: string;
  readonly detector: string;
  readonly scores = new ScoreScale();
  readonly budget: Budget;
  readonly #rules: VisitRules;
  readonly #tracker: Tracker;
  readonly #visits = new Map<Track, Visit>();
  /** Capture time of the latest frame, and when it was here. */
  #at = 0;
  #arrivedAt = 0;

  /** @throws {TypeError} for an option that cannot be meant. */
  constructor(
    camera: string,
    detector: string,
    options: { readonly tracker: TrackerOptions; readonly budget: BudgetOptions; readonly rules: VisitRules },
  ) {
    this.camera = camera;
    this.detector = detector;
    this.budget = new Budget(options.budget);
    this.#rules = options.rules;
    this.#tracker = new Tracker(() => {
      const number = nextTrack(camera, detector);
      return { id: trackId(camera, detector, number), number };
    }, options.tracker);
  }

  /** Capture time of the latest frame. */
  get at(): number {
    return this.#at;
  }

  get held(): readonly Candidate[] {
    return [...this.#visits.values()].flatMap(({ held }) => held);
  }

  see({ frame, faces, looked, waiting }: Detection): Tracking {
    this.#at = frame.capturedAt;
    this.#arrivedAt = performance.now();
    const { width, height } = frame.image;
    const tracking = this.#tracker.update({
      at: frame.capturedAt,
      width,
      height,
      faces,
      looked,
      waiting,
      still: frame.still,
    });
    for (const track of tracking.tracks) {
      if (track && !this.#visits.has(track)) this.#visits.set(track, new Visit(track.startedAt, this.#rules));
    }
    return tracking;
  }

  visitOf(track: Track): Visit {
    return this.#visits.get(track)!;
  }

  /** What has to go by the time of the latest frame. */
  due(at = this.#at): Due[] {
    return [...this.#visits].flatMap(([track, visit]) => (track.isConfirmed && visit.due(at)) || []);
  }

  /** What has to go by the wall clock, where no frame comes to tell the time. */
  overdue(): Due[] {
    const silent = performance.now() - this.#arrivedAt;
    return silent < SILENT_MS ? [] : this.due(this.#at + silent);
  }

  /** The visit is forgotten; gives what is left of it to be sent. */
  leave(track: Track, reason: 'left' | 'end'): Due | undefined {
    const due = this.visitOf(track).end(reason, track.isConfirmed);
    this.#visits.delete(track);
    return due;
  }

  end(): Pick<Tracking, 'confirmed' | 'ended'> {
    return this.#tracker.end();
  }
}
