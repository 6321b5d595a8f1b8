import type { Face } from '../face';
import { FaceMemory, type KnownFace } from './face-memory';
import {
  type CloseLookKind,
  closeLook,
  enlarged,
  type Look,
  overlap,
  personAround,
  placed,
  SAME_FACE,
  type WholeSettings,
  wholeLook,
  withoutDoubles,
} from './look';
import type { GreyImage, ModelFinding } from './model';
import { MotionGrid, type Movement, movementOf } from './motion-grid';
import { type FieldSettings, fieldLook, type SearchField, searchFields } from './search-fields';

export interface WatchSettings extends FieldSettings, WholeSettings {
  readonly motionGate: boolean;
  readonly closeLooks: boolean;
  /** Milliseconds; 0 is never. */
  readonly fullLookMs: number;
  /** Milliseconds a frame; 0 is without a limit. */
  readonly budgetMs: number;
}

/** What was done with a frame, for the statistics. */
export interface LookCounts {
  /** Whole pictures looked at in one go. */
  whole: number;
  /** Fields of a picture. */
  fields: number;
  /** Places of a known face, or of what a field showed. */
  close: number;
  /** Frames in which nothing had changed. */
  unchanged: number;
}

/** A frame as it comes in. */
export interface Seen {
  /** Its grey picture, which may be smaller than the frame. */
  readonly picture: GreyImage | Promise<GreyImage>;
  /** Capture time in milliseconds. */
  readonly at: number;
  /** A picture of its own, which has nothing to do with the one before. */
  readonly still: boolean;
  /** Of the full frame, in pixels. */
  readonly width: number;
  /** Looks at pictures in a thread; `milliseconds` is what each of them took. */
  search(looks: readonly Look[]): Promise<{
    readonly findings: readonly (readonly ModelFinding[])[];
    readonly milliseconds: readonly number[];
  }>;
}

/** What a frame has shown; boxes are in pixels of the full frame. */
export interface Sight {
  readonly faces: readonly Face[];
  /** Where known faces were that this frame had no time for. */
  readonly waiting: readonly Face[];
  /** False where nothing moved, and the faces are those last seen. */
  readonly looked: boolean;
}

/** What is to be done with a frame. */
interface Plan {
  readonly picture: GreyImage;
  readonly looked: boolean;
  readonly places: readonly KnownFace[];
  readonly fields: readonly FieldState[] | 'all';
}

interface FieldState {
  readonly field: SearchField;
  /** Its cells when it was last looked at; undefined before. */
  seen?: Float32Array;
  /** What moved in it since then, as far as it was judged, and when that was. */
  movement: Movement;
  judgedAt: number;
  lookedAt: number;
  /** How often it was looked at. */
  turn: number;
  /** What a look at it takes, in milliseconds. */
  cost: number;
}

/** Frames further apart are looked at whole: what is in them has little to do with the one before. */
const LONGEST_INTERVAL_MS = 250;
/**
 * By what moved in it, a field is looked at again after this at the earliest: twice in half a second. Where only those
 * moved whose faces are known, somebody new may be before or behind them.
 */
const REVISIT_MS_AFTER: Readonly<Record<Movement, number>> = {
  new: 200,
  known: 800,
  none: Number.POSITIVE_INFINITY,
};
/** Where only known people moved, it is judged again after this whether somebody else did. */
const JUDGE_KNOWN_MS = 60;
/** A face that was found so short a time ago is still about there. */
const STEADY_MS = 100;
/** A known face in a picture that does not move is looked at again after this. */
const CONFIRM_MS = 250;
/**
 * Until it has been there for so long, a face is looked at as closely as at first, and in each frame: the tracker
 * takes it for a person by then, or not at all.
 */
const YOUNG_MS = 400;
/** Of close looks, in windows. */
const CLOSE_AREAS: Readonly<Record<CloseLookKind, number>> = {
  new: 5.2 ** 2,
  young: 4.4 ** 2,
  expected: 4 ** 2,
  steady: 3.4 ** 2,
};
/** How much more urgent it is to look at a young face than at another one that waits for as long. */
const YOUNG_URGENCY = 3;
/** Until there is a measurement: about what a cascade takes, in milliseconds a pixel. */
const FIRST_COST = 0.0004;
/** By how much a cost may grow with a measurement. */
const GROWTH = 1.05;

/**
 * What one camera's frames have shown so far, and what of the next one is worth a look: places where faces
 * were, fields where something moved, and in turn everything else, as far as the budget goes. All boxes are
 * in pixels of the pictures that it is given.
 */
export class CameraWatch {
  readonly #settings: WatchSettings;
  readonly #counts: LookCounts;
  readonly #memory = new FaceMemory();
  #fields: FieldState[] = [];
  #size = { width: 0, height: 0 };
  #before: number | undefined;
  #credit = 0;
  readonly #closeCosts: Record<CloseLookKind, number>;
  #planned: Promise<unknown> = Promise.resolve();
  #done: Promise<unknown> = Promise.resolve();

  constructor(settings: WatchSettings, counts: LookCounts) {
    this.#settings = settings;
    this.#counts = counts;
    const costOf = (area: number) => area * settings.window.width * settings.window.height * FIRST_COST;
    this.#closeCosts = {
      new: costOf(CLOSE_AREAS.new),
      young: costOf(CLOSE_AREAS.young),
      expected: costOf(CLOSE_AREAS.expected),
      steady: costOf(CLOSE_AREAS.steady),
    };
  }

  /** Takes the next frame, in the order of capture. */
  look({ picture, at, still, width, search }: Seen): Promise<Sight> {
    const before = this.#done;
    const arriving = Promise.resolve(picture);
    // One that is damaged may fail before its turn, when nobody waits for it yet.
    arriving.catch(() => {});
    const planned = this.#planned.then(async () => this.#plan(await arriving, at, still));
    const looking = planned.then(async (plan) => {
      const { faces, waiting } = await this.#carryOut(plan, at, search, before).catch((error) => {
        // What it would have shown nobody knows: the next look is at everything.
        this.#size = { width: 0, height: 0 };
        throw error;
      });
      const scale = width / plan.picture.width;
      const inFrame = (found: readonly Face[]) => found.map((face) => enlarged(face, scale));
      return { faces: inFrame(faces), waiting: inFrame(waiting), looked: plan.looked };
    });
    this.#planned = planned.catch(() => {});
    // Without their outcomes, each of which would hold those of the frames before.
    this.#done = Promise.allSettled([before, looking]).then(() => {});
    return looking;
  }

  #plan(picture: GreyImage, at: number, still: boolean): Plan {
    const { motionGate, closeLooks } = this.#settings;
    const whole = { picture, looked: true, places: [], fields: 'all' } as const;
    const follows = this.#follows(picture, at);
    if (!motionGate && !closeLooks) return whole;
    const grid = new MotionGrid(picture);
    if (still || !follows) return this.#note(whole, this.#fields, grid, at);
    const isMoving = this.#judge(grid, at);
    if (!closeLooks) {
      const isDue = isMoving || this.#fields.some((state) => this.#isDue(state, at));
      return isDue ? this.#note(whole, this.#fields, grid, at) : { ...whole, looked: false, fields: [] };
    }
    const places = this.#places(at, isMoving);
    const fields = this.#choose(at, places);
    const looked = places.length + fields.length > 0;
    return this.#note({ picture, looked, places, fields }, fields, grid, at);
  }

  /** What moved in each field since it was looked at; true where anything did. */
  #judge(grid: MotionGrid, at: number): boolean {
    const people = this.#memory.present.map(({ box }) => personAround(box));
    for (const state of this.#fields) {
      const { seen, movement, judgedAt } = state;
      const { part } = state.field;
      if (!seen || !this.#settings.motionGate) state.movement = 'new';
      else if (movement === 'none' || (movement === 'known' && at - judgedAt >= JUDGE_KNOWN_MS)) {
        const unknown = people.length > 0 ? grid.outside(part, people) : undefined;
        state.movement = movementOf(seen, grid.part(part), unknown);
        state.judgedAt = at;
      }
    }
    return this.#fields.some(({ movement }) => movement !== 'none');
  }

  #note(plan: Plan, fields: readonly FieldState[], grid: MotionGrid, at: number): Plan {
    for (const state of fields) {
      const seen = grid.part(state.field.part);
      Object.assign(state, { seen, lookedAt: at, movement: 'none', judgedAt: Number.NEGATIVE_INFINITY });
    }
    return plan;
  }

  async #carryOut(
    plan: Plan,
    at: number,
    search: Seen['search'],
    before: Promise<unknown>,
  ): Promise<Omit<Sight, 'looked'>> {
    if (plan.fields === 'all') {
      return { faces: await this.#everything(plan.picture, at, search), waiting: [] };
    }
    if (plan.looked) {
      const faces = await this.#some(plan.picture, at, plan.places, plan.fields, search);
      // What the frame before has shown was not known when this one was planned.
      await before;
      return { faces, waiting: this.#memory.others(plan.places, at) };
    }
    this.#counts.unchanged += 1;
    await before;
    return { faces: this.#memory.present, waiting: [] };
  }

  /** Whether the frame goes on where the one before ended; else everything begins anew. */
  #follows({ width, height }: GreyImage, at: number): boolean {
    const interval = at - (this.#before ?? Number.NEGATIVE_INFINITY);
    this.#before = at;
    const isSameSize = width === this.#size.width && height === this.#size.height;
    if (!isSameSize) {
      const all = searchFields({ width, height }, this.#settings);
      const whole = { part: { x: 0, y: 0, width, height }, width, height, search: {} };
      this.#fields = (this.#settings.closeLooks ? all : [whole]).map((field) => ({
        field,
        movement: 'new',
        judgedAt: Number.NEGATIVE_INFINITY,
        lookedAt: Number.NEGATIVE_INFINITY,
        turn: 0,
        cost: field.width * field.height * FIRST_COST,
      }));
      this.#size = { width, height };
    }
    return isSameSize && interval > 0 && interval <= LONGEST_INTERVAL_MS;
  }

  #isDue({ lookedAt }: FieldState, at: number): boolean {
    const { fullLookMs } = this.#settings;
    return fullLookMs > 0 && at - lookedAt >= fullLookMs;
  }

  /** The whole picture at once, as the model has it. */
  async #everything(picture: GreyImage, at: number, search: Seen['search']): Promise<Face[]> {
    this.#counts.whole += 1;
    const look = wholeLook(picture, this.#settings);
    const { findings } = await search([look]);
    const faces = findings[0]!.map((finding) => placed(finding, look));
    this.#memory.replace(faces, at);
    return faces;
  }

  /**
   * The known faces that half of the budget has room for: all where something moves, else those not looked at for
   * a while. The other half is for those who are not known yet.
   */
  #places(at: number, isMoving: boolean): readonly KnownFace[] {
    const places = this.#memory.places(at).filter(({ lookedAt }) => isMoving || at - lookedAt >= CONFIRM_MS);
    const urgency = (known: KnownFace) =>
      (at - known.lookedAt) * (at - known.since < YOUNG_MS ? YOUNG_URGENCY : 1);
    return this.#affordable(
      places.toSorted((a, b) => urgency(b) - urgency(a)),
      (known) => kindOf(known, at),
    );
  }

  /** As many, from the first, as half of the budget has room for; one at least. */
  #affordable<T>(wanted: readonly T[], kind: (item: T) => CloseLookKind): readonly T[] {
    const { budgetMs } = this.#settings;
    if (budgetMs === 0) return wanted;
    let room = budgetMs / 2;
    const end = wanted.findIndex((item, index) => {
      room -= this.#closeCosts[kind(item)];
      return index > 0 && room < 0;
    });
    return end < 0 ? wanted : wanted.slice(0, end);
  }

  /** The fields that the frame's budget has room for, those first that have waited longest; movement counts double. */
  #choose(at: number, places: readonly KnownFace[]): FieldState[] {
    const { budgetMs } = this.#settings;
    const wanted = this.#fields
      .map((state) => ({ state, age: at - state.lookedAt }))
      .filter(({ state, age }) => age >= REVISIT_MS_AFTER[state.movement] || this.#isDue(state, at))
      .map(({ state, age }) => ({ state, urgency: state.movement === 'new' ? 2 * age : age }))
      .toSorted((a, b) => b.urgency - a.urgency)
      .map(({ state }) => state);
    if (budgetMs === 0) return wanted;
    const closeLooks = places.reduce((sum, known) => sum + this.#closeCosts[kindOf(known, at)], 0);
    this.#credit = Math.min(this.#credit + budgetMs - closeLooks, 2 * budgetMs);
    const chosen: FieldState[] = [];
    for (const state of wanted) {
      // One field is the least there is: it may cost more than there is credit, which is then paid off.
      if (this.#credit <= 0 || (chosen.length > 0 && state.cost > this.#credit)) break;
      this.#credit -= state.cost;
      chosen.push(state);
    }
    return chosen;
  }

  /** Places and fields first, then a close look at what the fields have shown. */
  async #some(
    picture: GreyImage,
    at: number,
    places: readonly KnownFace[],
    fields: readonly FieldState[],
    search: Seen['search'],
  ): Promise<Face[]> {
    const kinds = places.map((known) => kindOf(known, at));
    const close = places.map(({ face }, index) =>
      closeLook(picture, face.box, this.#settings, kinds[index]!),
    );
    const wide = fields.map((state) => {
      state.turn += 1;
      return fieldLook(picture, state.field, state.turn);
    });
    this.#counts.close += close.length;
    this.#counts.fields += wide.length;
    const looks = [...close, ...wide];
    const first = await search(looks);
    this.#learnCosts(first.milliseconds, kinds, fields);
    const found = first.findings.map((findings, index) =>
      findings.map((finding) => placed(finding, looks[index]!)),
    );
    const sure = found.slice(0, close.length).flat();
    const shown = withoutDoubles(found.slice(close.length).flat());
    const unsure = this.#unsure(shown, sure, at);
    const again = unsure.map(({ box }) => closeLook(picture, box, this.#settings, 'new'));
    const second = again.length > 0 ? await search(again) : { findings: [], milliseconds: [] };
    this.#learnCosts(
      second.milliseconds,
      again.map(() => 'new'),
      [],
    );
    this.#counts.close += again.length;
    const confirmed = second.findings.flatMap((findings, index) =>
      findings.map((finding) => placed(finding, again[index]!)),
    );
    const faces = withoutDoubles([...sure, ...confirmed]);
    this.#memory.learn(
      faces,
      places.map(({ face }) => face.box),
      at,
    );
    return faces;
  }

  /** What fields have shown where no face is known: as many as the budget has room for, the surest first. */
  #unsure(shown: readonly Face[], sure: readonly Face[], at: number): readonly Face[] {
    const known = [...sure, ...this.#memory.places(at).map(({ face }) => face)];
    const unsure = shown.filter(({ box }) => !known.some((face) => overlap(face.box, box) > SAME_FACE));
    if (this.#settings.budgetMs === 0) return unsure;
    const chosen = this.#affordable(unsure, () => 'new');
    this.#credit -= chosen.length * this.#closeCosts.new;
    return chosen;
  }

  /** The times of close looks, and then of fields. */
  #learnCosts(
    milliseconds: readonly number[],
    closeLooks: readonly CloseLookKind[],
    fields: readonly FieldState[],
  ): void {
    closeLooks.forEach((kind, index) => {
      this.#closeCosts[kind] = learned(this.#closeCosts[kind], milliseconds[index]!);
    });
    fields.forEach((state, index) => {
      state.cost = learned(state.cost, milliseconds[closeLooks.length + index]!);
    });
  }
}

function kindOf({ since, foundAt, lookedAt }: KnownFace, at: number): CloseLookKind {
  const isSteady = foundAt === lookedAt && at - foundAt <= STEADY_MS;
  if (at - since < YOUNG_MS) return isSteady ? 'young' : 'new';
  return isSteady ? 'steady' : 'expected';
}

/** What a look takes when nothing disturbs it: a measurement among busy programs says little. */
function learned(cost: number, milliseconds: number): number {
  return Math.min(cost * GROWTH, milliseconds);
}
