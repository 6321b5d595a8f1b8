import { FACE_EVENT_TYPE } from '../attributes';
import { DEFAULT_MAX_PIXELS } from '../codec';
import { assertName } from '../identity';
import type { BudgetOptions } from './budget';
import { PICTURE_FORMATS, type PictureFormat } from './picture-encoder';
import type { TrackerOptions } from './tracker';
import type { VisitRules } from './visit';

export const POLICIES = ['all', 'first', 'best', 'best-every', 'top-k'] as const;

/** Which faces of a visit are sent; `FaceSelectorOptions.policy` says what each means. */
export type SelectionPolicy = (typeof POLICIES)[number];

/** Which faces are sent, how they are cut out, and how they are encoded. */
export interface FaceSelectorOptions extends TrackerOptions {
  /**
   * Which faces are sent.
   * - `best`: one of each visit, the best; when the visit is over, or `latestSeconds` after it began.
   * - `first`: one of each visit, the first; as soon as it is clear that somebody is there.
   * - `best-every`: the best of every `everySeconds` of a visit.
   * - `top-k`: up to `count` of each visit that differ from each other; when `best` would be sent.
   * - `all`: every face of every frame.
   * @default 'best'
   */
  readonly policy?: SelectionPolicy | undefined;
  /** `best`, `top-k`: how long after a visit began its pictures are sent at the latest. @default 10 */
  readonly latestSeconds?: number | undefined;
  /** `best-every`: the period. @default 10 */
  readonly everySeconds?: number | undefined;
  /** `top-k`: how many at the most. @default 3 */
  readonly count?: number | undefined;
  /** A picture that is worse is not sent; from 0 to 1. @default 0 */
  readonly minimumQuality?: number | undefined;
  /** What may be sent of each camera; what is beyond is not sent, but counted and told. @default no limit */
  readonly budget?: BudgetOptions | undefined;
  /** What is added on each side, as a fraction of the face's width and height. @default 0.2 */
  readonly margin?: number | undefined;
  /**
   * `jpeg` takes about a ninth of the bytes of `png`, and nobody sees the difference; `png` keeps each
   * pixel as it was cut out of the frame. @default 'jpeg'
   */
  readonly format?: PictureFormat | undefined;
  /** 1 to 100, for `jpeg` and `webp`. @default 90 */
  readonly quality?: number | undefined;
  /** The CloudEvents `type` of the messages. @default 'dev.edge-relay.face.v1' */
  readonly type?: string | undefined;
  /** Width times height of an encoded frame that is decoded at the most. @default 100,000,000 */
  readonly maxPixels?: number | undefined;
  /** The name in errors. @default 'selector' */
  readonly name?: string | undefined;
}

/** The options with their defaults, checked. */
export interface SelectorSettings {
  readonly name: string;
  readonly policy: SelectionPolicy;
  readonly rules: VisitRules;
  readonly minimumQuality: number;
  readonly budget: BudgetOptions;
  readonly tracker: TrackerOptions;
  readonly margin: number;
  readonly format: PictureFormat;
  readonly quality: number;
  readonly type: string;
  readonly maxPixels: number;
}

/** Which policy an option belongs to; with another one it would do nothing. */
const OPTIONS_OF: Readonly<Record<string, readonly SelectionPolicy[]>> = {
  latestSeconds: ['best', 'top-k'],
  everySeconds: ['best-every'],
  count: ['top-k'],
};

/** @throws {TypeError} for an option that cannot be meant. */
export function selectorSettings(options: FaceSelectorOptions): SelectorSettings {
  const {
    policy = 'best',
    latestSeconds = 10,
    everySeconds = 10,
    count = 3,
    minimumQuality = 0,
    budget = {},
    margin = 0.2,
    format = 'jpeg',
    quality,
    type = FACE_EVENT_TYPE,
    maxPixels = DEFAULT_MAX_PIXELS,
  } = options;
  assertOneOf('policy', policy, POLICIES);
  assertOneOf('format', format, PICTURE_FORMATS);
  for (const [option, policies] of Object.entries(OPTIONS_OF)) {
    if (options[option as keyof FaceSelectorOptions] !== undefined && !policies.includes(policy)) {
      throw new TypeError(
        `${option} is for policy ${policies.join(' and ')}, not for ${policy}. Leave it out.`,
      );
    }
  }
  for (const [option, value] of Object.entries({ latestSeconds, everySeconds })) {
    if (!(value > 0)) throw new TypeError(`${option} must be a number of seconds above 0, not ${value}.`);
  }
  if (!(Number.isInteger(count) && count > 0 && count <= MOST_PICTURES)) {
    throw new TypeError(`count must be a whole number from 1 to ${MOST_PICTURES}, not ${count}.`);
  }
  if (!(minimumQuality >= 0 && minimumQuality <= 1)) {
    throw new TypeError(`minimumQuality must be a number from 0 to 1, not ${minimumQuality}.`);
  }
  if (!(Number.isFinite(margin) && margin >= 0)) {
    throw new TypeError(`margin must be a fraction of at least 0, such as 0.2, not ${margin}.`);
  }
  if (quality !== undefined && format === 'png') {
    throw new TypeError(`quality is for jpeg and webp; png loses nothing. Leave it out, or choose a format.`);
  }
  if (quality !== undefined && !(Number.isInteger(quality) && quality >= 1 && quality <= 100)) {
    throw new TypeError(`quality must be a whole number from 1 to 100, not ${quality}.`);
  }
  if (!/^[\x21-\x7e]+$/.test(type)) {
    throw new TypeError(`type must be ASCII without spaces, such as ${FACE_EVENT_TYPE}, not ${type}.`);
  }
  if (!(Number.isInteger(maxPixels) && maxPixels > 0)) {
    throw new TypeError(`maxPixels must be a whole number above 0, not ${maxPixels}.`);
  }
  const { gapSeconds, confirmSeconds, confirmShare, confirmHits, maximumTracks } = options;
  const isPeriodic = policy === 'best-every';
  return {
    name: options.name === undefined ? 'selector' : assertName(options.name, 'name'),
    policy,
    rules: {
      length: policy === 'top-k' ? count : 1,
      isFirst: policy === 'first',
      latest: (isPeriodic ? everySeconds : latestSeconds) * 1000,
      isPeriodic,
    },
    minimumQuality,
    budget,
    tracker: { gapSeconds, confirmSeconds, confirmShare, confirmHits, maximumTracks },
    margin,
    format,
    quality: quality ?? 90,
    type,
    maxPixels,
  };
}

/** Each is held in memory until its visit is over. */
const MOST_PICTURES = 20;

function assertOneOf(option: string, value: string, allowed: readonly string[]): void {
  if (allowed.includes(value)) return;
  throw new TypeError(`${option} must be one of ${allowed.join(', ')}, not ${String(value)}.`);
}
