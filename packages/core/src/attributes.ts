import type { Message } from './message';
import { propertyOf } from './message';

/** The CloudEvents `type` of a cut-out face. */
export const FACE_EVENT_TYPE = 'dev.edge-relay.face.v1';

/**
 * What is known of a picture, by CloudEvents 1.0 names (lower-case letters and digits only). They
 * travel as MQTT 5 user properties (CloudEvents MQTT binding, section 3.1, binary mode) and, for
 * MQTT 3.1.1 and for files on their own, as JSON in the picture's EXIF UserComment.
 */
export interface PictureAttributes {
  /** The version of CloudEvents. */
  readonly specversion: '1.0';
  /** Stable from capture to object. */
  readonly id: string;
  /** `/{camera}` */
  readonly source: string;
  /** The CloudEvents `type`: `FACE_EVENT_TYPE`, or the `type` that the selector was given. */
  readonly type: string;
  /** Capture time, RFC 3339 in UTC with milliseconds. */
  readonly time: string;
  /** The visit (track), where a tracker has named one. */
  readonly subject?: string;
  /** The camera's name, as FrameSource was given it. */
  readonly camera: string;
  /** Drawn at random when the process started; `sequence` and `number` count within it. */
  readonly boot: string;
  /** The frame's number, as the camera delivered it. */
  readonly sequence: string;
  /** The picture's number, without gaps, by camera and boot. */
  readonly number: string;
  /** The detector's name; two detectors on one camera have two. */
  readonly detector: string;
  /** `x,y,width,height` in pixels of the full frame. */
  readonly box: string;
  /** `1920x1080`, the full frame in pixels. */
  readonly framesize: string;
  /** How sure the detector was; larger is surer, and each model has a scale of its own. */
  readonly score: string;
  /** How good a picture it is, from 0 to 1. */
  readonly quality: string;
  /** What `quality` is made of, each from 0 to 1: `size=0.52,sharpness=0.71,…`. */
  readonly measures: string;
  /** The policy that chose it: `all`, `first`, `best`, `best-every` or `top-k`. */
  readonly policy: string;
  /** Why it was sent when it was: `seen`, `begun`, `left`, `latest`, `period` or `end`. */
  readonly reason: string;
  /** Where `time` comes from: `device`, `file`, `stream` or `arrival`. */
  readonly clock: string;
  /** When the frame was read, RFC 3339 in UTC with milliseconds; latencies are measured from it. */
  readonly readat: string;
  /** When the detector was done with the frame; in the same form, like those that follow. */
  readonly detectedat?: string;
  /** When a publisher with `stamp` was given the picture. */
  readonly publishedat?: string;
  /** When a bridge with `stamp` had it. */
  readonly bridgedat?: string;
  /**
   * How long receipts took to come back to the publisher, in whole milliseconds: the fastest since the picture
   * before, from the clock that wrote it to the publisher's, and so less than 0 where that one is far enough behind.
   */
  readonly receiptms?: string;
}

/** Attributes that are times. The first two are in every picture; the others are put on by who is asked to. */
export type TimeAttribute = 'time' | 'readat' | 'detectedat' | 'publishedat' | 'bridgedat';

const FIRST_YEAR = Date.parse('0000-01-01T00:00:00Z');
const AFTER_LAST_YEAR = Date.parse('+010000-01-01T00:00:00Z');
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i;

/**
 * Milliseconds since 1970 of an attribute that is a time (RFC 3339), or undefined where it is none:
 * `Date.parse()` alone would read a date, in local time, out of almost anything.
 */
export function timeOf(message: Pick<Message, 'properties'>, name: TimeAttribute): number | undefined {
  const text = propertyOf(message, name);
  return text === undefined ? undefined : parseTime(text);
}

/** Milliseconds since 1970 of a time as RFC 3339 writes it, or undefined for any other text. */
export function parseTime(text: string): number | undefined {
  if (!RFC_3339.test(text)) return undefined;
  const milliseconds = Date.parse(text);
  // An offset may lead out of the years that RFC 3339 can write.
  const isWritable = milliseconds >= FIRST_YEAR && milliseconds < AFTER_LAST_YEAR;
  return isWritable ? milliseconds : undefined;
}
