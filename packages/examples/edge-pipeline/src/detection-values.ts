import { accessSync, constants, statSync } from 'node:fs';
import { didYouMean, number, text } from 'edge-relay-command-line';

const SHIPPED = ['frontalface_alt2', 'frontalface_default'];
/** Three times the face on each side is a picture of the room. */
const LARGEST_MARGIN = 3;

/** The name of a cascade that comes with the library, or the path of a file that can be read. */
export function cascade() {
  return text().superRefine((given, context) => {
    if (SHIPPED.includes(given)) return;
    try {
      accessSync(given, constants.R_OK);
      if (statSync(given).isFile()) return;
      throw new Error('it is no file');
    } catch (error) {
      const message = `It must be ${SHIPPED.join(', ')} or a file that can be read (${(error as Error).message}).`;
      context.addIssue({ code: 'custom', message: `${message}${didYouMean(given, SHIPPED)}` });
    }
  });
}

/** A share of a face's size. */
export function margin() {
  return number(0).refine((share) => share <= LARGEST_MARGIN, {
    error: `It must be a number from 0 to ${LARGEST_MARGIN}: 0.2 adds a fifth of the face on each side.`,
  });
}
