import type { Properties } from '../message';

const CHARACTER_CODE_BYTES = 8;

/**
 * The attributes that a picture carries as JSON in its EXIF UserComment, or undefined where it carries
 * none. The comment begins with a character code (Exif 2.32, section 4.6.5, tag 37510); programs may have
 * put text of their own around the JSON.
 */
export async function embeddedAttributes(exif: Uint8Array | undefined): Promise<Properties | undefined> {
  if (!exif) return undefined;
  const { default: readExif } = await import('exif-reader');
  try {
    const comment = readExif(Buffer.from(exif)).Photo?.UserComment;
    if (!comment) return undefined;
    const text = Buffer.from(comment).subarray(CHARACTER_CODE_BYTES).toString();
    const json: unknown = JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1));
    const entries = Object.entries(json as object).filter(([, value]) => typeof value === 'string');
    return Object.fromEntries(entries);
  } catch {
    // Not our comment, or not EXIF at all: the picture is a foreign one.
    return undefined;
  }
}
