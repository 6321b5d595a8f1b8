import { assertIntact, sniff } from '../codec';
import { RelayError } from '../errors';
import type { Message } from '../message';
import { embeddedAttributes } from './embedded-attributes';
import { foreignProvenance, type Provenance, provenanceOf } from './provenance';

/** What a message turned out to be. */
export interface Examination {
  readonly provenance: Provenance;
  readonly extension: string;
  readonly contentType?: string;
  /** Why it is not stored as a picture, for one that is not. */
  readonly fault?: string;
}

export interface ExaminationOptions {
  readonly accept: 'image' | 'any';
  readonly maxPixels?: number;
}

const EXTENSIONS = { jpeg: 'jpg', png: 'png', webp: 'webp' } as const;
const FAULTS = new Set(['PICTURE_DAMAGED', 'PICTURE_TOO_LARGE']);

/** Goes by the bytes of a message, not by what it says of them; who sent it and when, by its attributes. */
export async function examine(message: Message, options: ExaminationOptions): Promise<Examination> {
  const named = provenanceOf(message.properties);
  if (options.accept === 'any') return examineAny(message, named ?? foreignProvenance(message));
  try {
    const { format, exif } = await assertIntact(message.payload, {
      stage: 'sink',
      name: 'The payload',
      ...(options.maxPixels !== undefined && { maxPixels: options.maxPixels }),
    });
    const embedded = named ?? provenanceOf((await embeddedAttributes(exif)) ?? {});
    return {
      provenance: embedded ?? foreignProvenance(message),
      extension: EXTENSIONS[format],
      contentType: `image/${format}`,
    };
  } catch (error) {
    if (!(error instanceof RelayError && FAULTS.has(error.code))) throw error;
    return {
      provenance: named ?? foreignProvenance(message),
      extension: 'bin',
      contentType: 'application/octet-stream',
      fault: error.message,
    };
  }
}

function examineAny(message: Message, provenance: Provenance): Examination {
  const format = sniff(message.payload);
  if (format) return { provenance, extension: EXTENSIONS[format], contentType: `image/${format}` };
  const { contentType } = message;
  return { provenance, extension: 'bin', ...(contentType !== undefined && { contentType }) };
}
