import type { NutCursor } from './nut-cursor';

/** The first byte of every startcode, and of no frame. */
export const NUT_STARTCODE = 0x4e;
/** The flag of a first byte that no frame may have. */
export const NUT_INVALID = 1 << 13;
const CODES = 256;

/** What the first byte of a frame says of it. */
export interface NutCode {
  readonly flags: number;
  readonly ptsDelta: number;
  readonly sizeMultiplier: number;
  readonly sizeRemainder: number;
  readonly reserved: number;
  readonly headerIndex: number;
}

/**
 * Reads the table of what each first byte means; what an entry does not say is as in the one before.
 * Throws an `Error` where it has no end.
 */
export function readNutCodes(cursor: NutCursor): readonly NutCode[] {
  const codes: NutCode[] = [];
  let [ptsDelta, sizeMultiplier, headerIndex] = [0, 1, 0];
  while (codes.length < CODES) {
    const flags = cursor.unsigned();
    const fields = cursor.unsigned();
    if (fields > 0) ptsDelta = cursor.signed();
    if (fields > 1) sizeMultiplier = cursor.unsigned();
    if (fields > 2) cursor.unsigned(); // The track.
    const size = fields > 3 ? cursor.unsigned() : 0;
    const reserved = fields > 4 ? cursor.unsigned() : 0;
    const count = fields > 5 ? cursor.unsigned() : sizeMultiplier - size;
    if (fields > 6) cursor.signed(); // The time to match.
    if (fields > 7) headerIndex = cursor.unsigned();
    for (let field = 8; field < fields; field += 1) cursor.unsigned();
    if (cursor.isShort) throw new Error('The head of the NUT stream is cut off.');
    for (let index = 0; index < count && codes.length < CODES; ) {
      const isStartcode = codes.length === NUT_STARTCODE;
      const sizeRemainder = size + index;
      const code = { flags, ptsDelta, sizeMultiplier, sizeRemainder, reserved, headerIndex };
      codes.push(isStartcode ? { ...code, flags: NUT_INVALID } : code);
      if (!isStartcode) index += 1;
    }
  }
  return codes;
}
