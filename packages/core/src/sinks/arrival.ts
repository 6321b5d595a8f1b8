import { RelayError } from '../errors';
import { arrivalKey } from './object-key';

/** What is asked of a store, already tried as often as it takes. */
export interface ArrivalNotes {
  put(key: string, data: Uint8Array): Promise<'created' | 'exists'>;
  get(key: string): Promise<Uint8Array | undefined>;
}

/** How many notes of one id may be gone before we look at them, or unreadable. */
const ATTEMPTS = 5;

/**
 * When an id first arrived, in milliseconds since 1970 (UTC). It is written down in the store before anything
 * is stored by it, so that what is delivered again, hours later or to another process, gets the same key again.
 */
export async function firstArrival(id: string, arrivedAt: number, notes: ArrivalNotes): Promise<number> {
  const note = Buffer.from(`${JSON.stringify({ id, received: new Date(arrivedAt).toISOString() })}\n`);
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const key = arrivalKey(id, attempt);
    if ((await notes.put(key, note)) === 'created') return arrivedAt;
    const time = timeIn(await notes.get(key));
    if (time !== undefined) return time;
  }
  throw new RelayError(
    `None of the notes ${arrivalKey(id, 0)} to ${ATTEMPTS - 1} says when that id first arrived. Remove them.`,
    { code: 'STORE_FAILED', stage: 'sink' },
  );
}

/** Undefined for a note that is gone, cut short, or changed by somebody. */
function timeIn(note: Uint8Array | undefined): number | undefined {
  try {
    const { received } = JSON.parse(Buffer.from(note ?? []).toString()) as { received: string };
    const time = Date.parse(received);
    return Number.isFinite(time) ? time : undefined;
  } catch {
    return undefined;
  }
}
