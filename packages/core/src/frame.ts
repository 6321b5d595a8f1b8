import type { Image } from './image';

/**
 * Where `capturedAt` comes from, most trustworthy first: the camera's driver, the file (EXIF or
 * container time, else a start time you gave, else the file's date, plus the position in it), the
 * network stream, or only the moment of arrival.
 */
export type FrameClock = 'device' | 'file' | 'stream' | 'arrival';

/** One picture of a camera. */
export interface Frame {
  /** The camera's name; it becomes part of ids and object keys. */
  readonly camera: string;
  /** Counts what the camera delivered, from 0: a dropped frame leaves a hole. */
  readonly sequence: number;
  /** When light fell on the sensor, in milliseconds since 1970 (UTC); see `clock`. */
  readonly capturedAt: number;
  /** Where `capturedAt` comes from. */
  readonly clock: FrameClock;
  /** When we read it, in milliseconds since 1970 (UTC). Latencies are measured from here. */
  readonly readAt: number;
  /** A picture of its own and not one of a sequence: nobody in it was seen before. @default false */
  readonly still?: boolean;
  /** The picture: decoded pixels, or a JPEG, PNG or WebP as it came. */
  readonly image: Image;
}
