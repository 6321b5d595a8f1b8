import type { Face } from './face';
import type { Frame } from './frame';

/** A face with what the selector knows of it. */
export interface SeenFace extends Face {
  /** Whether it has been there for long enough to be taken for a person. */
  readonly isPerson: boolean;
  /** How good a picture it makes, from 0 to 1, where that was worked out. */
  readonly quality?: number;
}

/** What was seen in a frame, for whoever watches. */
export interface Look {
  /** The frame. */
  readonly frame: Frame;
  /** The detector's name. */
  readonly detector: string;
  /** The faces in it, with what is known of each. */
  readonly faces: readonly SeenFace[];
}
