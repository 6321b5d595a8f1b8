import type { Box } from '../face';
import type { Look } from './look';
import type { GreyImage, Search } from './model';
import { shrink } from './shrink';

/** Part of a frame at one size, in which the faces of that size are looked for in one go. */
export interface SearchField {
  /** In pixels of the picture, in whole numbers. */
  readonly part: Box;
  /** The size at which it is looked at, in pixels. */
  readonly width: number;
  readonly height: number;
  readonly search: Search;
}

export interface FieldSettings {
  /** Pixels; 0 takes the picture as it is. */
  readonly detectionWidth: number;
  /** In pixels of the picture; 0 is without a limit. */
  readonly minFaceSize: number;
  /** In pixels of the picture; 0 is without a limit. */
  readonly maxFaceSize: number;
  readonly window: { readonly width: number; readonly height: number };
}

/** Of the window's smaller side: 48 pixels of a frame of 1920, which is 40 times as wide. */
const WINDOWS_ACROSS = 40;

/** How wide a frame has to be for a face of 48 pixels at 1920 to fill the model's window. */
export function detectionWidthFor({ width, height }: FieldSettings['window']): number {
  return WINDOWS_ACROSS * Math.min(width, height);
}

/** Faces of up to so many windows are looked for at one size; then the picture is halved. */
const LARGEST_IN_WINDOWS = 2.1;
/** A field is about so wide and high: a fraction of what one frame may cost. */
const FIELD_PIXELS = 240;
/** A face at the edge of a field is found by windows beside it, too. */
const SLACK_PIXELS = 4;

/**
 * The fields that cover a picture: the whole at `detectionWidth`, then at half of it, and so on until it is
 * hardly larger than the model's window. A face lies whole inside at least one field of its size.
 */
export function searchFields(
  picture: { readonly width: number; readonly height: number },
  { detectionWidth, minFaceSize, maxFaceSize, window }: FieldSettings,
): SearchField[] {
  const fields: SearchField[] = [];
  const largest = Math.ceil(window.width * LARGEST_IN_WINDOWS);
  let scale = detectionWidth > 0 ? Math.min(1, detectionWidth / picture.width) : 1;
  for (;;) {
    const [width, height] = [picture.width * scale, picture.height * scale];
    const isLast = width / 2 < window.width || height / 2 < window.height;
    const smallest = Math.floor(minFaceSize * scale);
    const limit = Math.min(isLast ? width : largest, Math.ceil(maxFaceSize * scale) || width);
    const search = { quick: true, smallest, largest: isLast && maxFaceSize === 0 ? 0 : limit };
    const margin = {
      x: largest / 2 + SLACK_PIXELS,
      y: (largest / 2) * (window.height / window.width) + SLACK_PIXELS,
    };
    const columns = isLast ? [span(0, 1, 1, width, 0)] : spans(width, margin.x);
    const rows = isLast ? [span(0, 1, 1, height, 0)] : spans(height, margin.y);
    for (const row of smallest > limit || limit < window.width ? [] : rows) {
      for (const column of columns) {
        const part = partOf(column, row, scale, picture);
        const [across, down] = [Math.round(part.width * scale), Math.round(part.height * scale)];
        fields.push({ part, width: Math.max(1, across), height: Math.max(1, down), search });
      }
    }
    if (isLast) return fields;
    scale /= 2;
  }
}

/** Half of the step from one size to the next that a quick look takes. */
const HALF_STEP = Math.sqrt(1.2);

/**
 * A look at a field. Every other turn it is made smaller by half a step: a face that lies between two sizes of one
 * look, and would be missed by all looks that are alike, lies at a size of the next.
 */
export function fieldLook(
  picture: GreyImage,
  { part, width, height, search }: SearchField,
  turn: number,
): Look {
  const step = turn % 2 === 1 ? 1 : HALF_STEP;
  const { smallest = 0, largest = 0 } = search;
  return {
    image: shrink(picture, part, Math.round(width / step), Math.round(height / step)),
    search: { ...search, smallest: Math.floor(smallest / step), largest: Math.ceil(largest / step) },
    part,
  };
}

interface Span {
  readonly from: number;
  readonly to: number;
}

function spans(length: number, margin: number): Span[] {
  const count = Math.ceil(length / FIELD_PIXELS);
  return Array.from({ length: count }, (_, index) => span(index, index + 1, count, length, margin));
}

function span(from: number, to: number, count: number, length: number, margin: number): Span {
  return {
    from: Math.max(0, (from * length) / count - margin),
    to: Math.min(length, (to * length) / count + margin),
  };
}

function partOf(
  column: Span,
  row: Span,
  scale: number,
  { width, height }: { readonly width: number; readonly height: number },
): Box {
  const [x, y] = [Math.floor(column.from / scale), Math.floor(row.from / scale)];
  return {
    x,
    y,
    width: Math.min(width, Math.ceil(column.to / scale)) - x,
    height: Math.min(height, Math.ceil(row.to / scale)) - y,
  };
}
