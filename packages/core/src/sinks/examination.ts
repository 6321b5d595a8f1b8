import { assertIntact, sniff } from '../codec';
import { messageOf, RelayError } from '../errors';
import type { Message } from '../message';
import type { Accept } from './accept';
import { contradiction, plainContentType } from './content-type';
import { embeddedAttributes } from './embedded-attributes';
import { foreignProvenance, type Provenance, provenanceOf } from './provenance';
import { isTombstone } from './tombstone';

/** What a message turned out to be. */
export interface Examination {
  readonly provenance: Provenance;
  readonly extension: string;
  readonly contentType?: string;
  /** Why it is not stored as what it is, for one that is kept apart. */
  readonly fault?: string;
}

export interface ExaminationOptions {
  readonly accept: (message: Message) => Accept;
  readonly maxPixels: number;
  readonly maxSeconds: number;
}

const EXTENSIONS = { jpeg: 'jpg', png: 'png', webp: 'webp' } as const;
const TOMBSTONE =
  'It looks like what stands in the place of an object that was deleted for good; it is kept with a line break before it.';
const FAULTS = new Set(['PICTURE_DAMAGED', 'PICTURE_TOO_LARGE']);

/** Goes by the bytes of a message, and by what it says of them only where that is wrong; who sent it and when, by its attributes. */
export async function examine(message: Message, options: ExaminationOptions): Promise<Examination> {
  // Under a key it would keep every other message of its id away.
  if (isTombstone(message.payload)) return rejected(message, TOMBSTONE);
  const accept = options.accept(message);
  if (accept === 'image') return examinePicture(message, options);
  const fault = accept === 'any' ? undefined : await refusal(message, accept);
  return fault === undefined ? examineAny(message) : rejected(message, fault);
}

async function examinePicture(
  message: Message,
  { maxPixels, maxSeconds }: ExaminationOptions,
): Promise<Examination> {
  const named = provenanceOf(message.properties);
  try {
    const { format, exif } = await assertIntact(message.payload, {
      stage: 'sink',
      name: 'The payload',
      maxPixels,
      maxSeconds,
      withoutExif: named !== undefined,
    });
    const provenance =
      named ?? provenanceOf((await embeddedAttributes(exif)) ?? {}) ?? foreignProvenance(message);
    const contentType = `image/${format}`;
    const fault = contradiction(message.contentType, contentType);
    if (fault !== undefined) return rejected(message, fault, provenance);
    return { provenance, extension: EXTENSIONS[format], contentType };
  } catch (error) {
    if (!(error instanceof RelayError && FAULTS.has(error.code))) throw error;
    return rejected(message, error.message);
  }
}

function examineAny(message: Message): Examination {
  const format = sniff(message.payload);
  const found = format && `image/${format}`;
  const fault = contradiction(message.contentType, found);
  if (fault !== undefined) return rejected(message, fault);
  const contentType = found ?? plainContentType(message.contentType);
  const extension = format ? EXTENSIONS[format] : 'bin';
  return { provenance: provenanceIn(message), extension, ...(contentType !== undefined && { contentType }) };
}

/** Why a function does not accept a message; one that fails must not stop all others. */
async function refusal(message: Message, accept: Exclude<Accept, string>): Promise<string | undefined> {
  try {
    const answer = await accept(message);
    if (answer === true) return undefined;
    return typeof answer === 'string' && answer !== '' ? answer : 'It is not accepted.';
  } catch (error) {
    return `Whether to accept it could not be found out: ${messageOf(error)}`;
  }
}

function rejected(message: Message, fault: string, provenance = provenanceIn(message)): Examination {
  return { provenance, extension: 'bin', contentType: 'application/octet-stream', fault };
}

function provenanceIn(message: Message): Provenance {
  return provenanceOf(message.properties) ?? foreignProvenance(message);
}
