import type { FrameSourceOptions } from 'edge-relay';
import { FrameSource } from 'edge-relay';
import { InvalidArgumentError } from 'edge-relay-command-line';

/** One `--source`: where pictures come from, and what the camera is called. */
export interface SourceSetting {
  /** Undefined where it is to be named after its location. */
  readonly name?: string;
  readonly location: string | { readonly command: readonly string[] };
}

const NAMED = /^([A-Za-z0-9_][A-Za-z0-9._-]{0,63})=([\s\S]*)$/;
/** In a variable, several sources are separated by commas; behind each stands a name, as paths may hold commas. */
const SEPARATOR = /,\s*(?=[A-Za-z0-9_][A-Za-z0-9._-]{0,63}=)/;
const COMMAND = 'exec:';

/** Adds what one `--source` or its variable says: `location` or `name=location`. */
export function parseSource(text: string, previous: readonly SourceSetting[] = []): SourceSetting[] {
  const sources = text.split(SEPARATOR).map((one) => {
    const [, name, location = one.trim()] = NAMED.exec(one.trim()) ?? [];
    if (location === '') throw new InvalidArgumentError('It must be a location, or name=location.');
    return {
      ...(name !== undefined && { name }),
      location: location.startsWith(COMMAND) ? { command: words(location.slice(COMMAND.length)) } : location,
    };
  });
  return [...previous, ...sources];
}

/** A FrameSource each; throws a `TypeError` for two of one name. */
export function makeSources(
  settings: readonly SourceSetting[],
  { camera, ...options }: FrameSourceOptions,
): FrameSource[] {
  if (camera !== undefined && settings.length > 1) {
    throw new TypeError('--camera names one source; with several, write --source name=location.');
  }
  const sources = settings.map(({ name = camera, location }) => {
    return new FrameSource(location, { ...options, ...(name !== undefined && { camera: name }) });
  });
  sources.forEach((source, index) => {
    const other = sources.findIndex((one) => one.camera === source.camera);
    if (other === index) return;
    throw new TypeError(
      `Two sources are called ${source.camera}: give each a name of its own, --source name=location.`,
    );
  });
  return sources;
}

/** A word of a command as a shell would see it, or (second) a quote that is not closed. */
const WORD = /((?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+)|(\S)/gs;
const QUOTED = /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)/gs;

/** The words of a command; nothing in them is expanded. */
function words(text: string): string[] {
  const found = [...text.matchAll(WORD)].map(([, word]) => {
    if (word === undefined) throw new InvalidArgumentError('A quote in the command is not closed.');
    return word.replaceAll(
      QUOTED,
      (_, single, double, escaped) => single ?? double?.replaceAll(/\\(.)/gs, '$1') ?? escaped,
    );
  });
  if (found.length > 0) return found;
  throw new InvalidArgumentError(
    'exec: needs a command, such as "exec:rpicam-vid --codec mjpeg --timeout 0 -o -".',
  );
}
