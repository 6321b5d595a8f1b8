import { FrameSource } from 'edge-relay';
import { complaintOf, didYouMean, type Objection, type OptionsOf, readAll } from 'edge-relay-command-line';
import { z } from 'zod';
import { cameraOptions, frameSourceOptions } from './camera-options';

/** One `--source`: where pictures come from, and what the camera is called. */
export type SourceSetting = z.output<typeof source>;

const NAME = '[A-Za-z0-9_][A-Za-z0-9._-]{0,63}';
const NAMED = new RegExp(`^(${NAME})=([\\s\\S]*)$`);
/** In a variable, several sources are separated by commas; behind each stands a name, as paths may hold commas. */
const SEPARATOR = new RegExp(`,\\s*(?=${NAME}=)`);
const COMMAND = 'exec:';
const WANTED = 'It must be a location, or name=location.';

const sourceOptions = {
  name: z
    .string()
    .regex(new RegExp(`^${NAME}$`), { error: 'It must be a name of letters, digits, ".", "_" and "-".' })
    .describe('what the camera is called in ids and keys; from the location without it')
    .optional(),
  location: z.string().min(1, { error: WANTED }).describe('as with --source').optional(),
  command: z
    .array(z.string(), { error: 'A quote in the command is not closed.' })
    .min(1, {
      error: 'exec: needs a command, such as "exec:rpicam-vid --codec mjpeg --timeout 0 -o -".',
    })
    .describe('what writes JPEGs to its standard output, word by word')
    .optional(),
  ...cameraOptions,
};

const source = z
  .strictObject(sourceOptions, {
    error: ({ code, ...issue }) => {
      if (code !== 'unrecognized_keys') return WANTED;
      const [key = ''] = issue.keys as string[];
      const near = didYouMean(key, Object.keys(sourceOptions));
      return `A source has no '${key}'.${near === '' ? ' It has a name, a location or a command, and what one camera may have.' : near}`;
    },
  })
  .refine(({ location, command }) => (location === undefined) !== (command === undefined), {
    error: 'It must have a location or a command, and not both.',
    when: ({ issues }) => issues.length === 0,
  });

/** Where pictures come from; read with `readSources`. */
export function sources() {
  return z.array(source, { error: WANTED }).min(1);
}

/** Reads what a variable says, what each `--source` says, or a list in a file. */
export function readSources(given: unknown): unknown {
  // Of an empty text there is no location, which the schema complains of.
  if (typeof given === 'string') return given.split(SEPARATOR).map((one) => readSource(one.trim()));
  return Array.isArray(given) ? given.flatMap(readSource) : [given].map(readSource);
}

function readSource(given: unknown): unknown {
  if (typeof given === 'string') {
    const [, name, location = given] = NAMED.exec(given) ?? [];
    return { ...(name !== undefined && { name }), ...placeOf(location) };
  }
  if (typeof given !== 'object' || given === null) return given;
  const { location, ...others } = readAll(cameraOptions, given);
  return { ...others, ...(typeof location === 'string' ? placeOf(location) : { location }) };
}

function placeOf(location: string): { location: string } | { command: readonly string[] | string } {
  if (!location.startsWith(COMMAND)) return { location };
  return { command: words(location.slice(COMMAND.length)) };
}

/** What holds for all sources. */
type CommonSettings = OptionsOf<typeof cameraOptions> & { readonly camera?: string | undefined };

/** A FrameSource each. */
export function makeSources(settings: readonly SourceSetting[], common: CommonSettings): FrameSource[] {
  return settings.map((setting) => makeSource(setting, common));
}

function makeSource(
  { name, location, command, ...own }: SourceSetting,
  { camera, ...common }: CommonSettings,
): FrameSource {
  const options = frameSourceOptions({ ...common, ...own });
  const called = name ?? camera;
  return new FrameSource(command ? { command } : location!, {
    ...options,
    ...(called !== undefined && { camera: called }),
  });
}

/** What is wrong with sources beside each other, or beside what holds for all. */
export function sourceObjections(settings: readonly SourceSetting[], common: CommonSettings): Objection[] {
  if (common.camera !== undefined && settings.length > 1) {
    const message = 'It names one source; with several, write --source name=location.';
    return [{ option: ['camera'], message }];
  }
  const wrong = settings.flatMap((setting, index) => {
    const complaint = complaintOf(() => makeSource(setting, common));
    return complaint === undefined ? [] : [sourceObjection(complaint, setting, index)];
  });
  if (wrong.length > 0) return wrong;
  const names = makeSources(settings, common).map(({ camera }) => camera);
  return names.flatMap((name, index) => {
    if (names.indexOf(name) === index) return [];
    const message = `Two sources are called ${name}: give each a name of its own, --source name=location.`;
    return [{ option: ['source', index] as const, message }];
  });
}

/** Said of the option that does not go with the source, where it stands, or else of the source. */
function sourceObjection(complaint: string, setting: SourceSetting, index: number): Objection {
  // Some limits are in seconds here, and in milliseconds in the library.
  const ours = complaint.replace(/^(stall|open)Ms /, (_, name) => `${name}Seconds `);
  const [, name = '', rest = ''] = /^(\w+) ((?:must|does) .*)$/s.exec(ours) ?? [];
  if (!Object.hasOwn(cameraOptions, name)) return { option: ['source', index], message: ours };
  return { option: Object.hasOwn(setting, name) ? ['source', index, name] : [name], message: `It ${rest}` };
}

/** A word of a command as a shell would see it, or (second) a quote that is not closed. */
const WORD = /((?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+)|(\S)/gs;
const QUOTED = /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)/gs;

/** The words of a command; nothing in them is expanded. Gives back what has a quote that is not closed. */
function words(command: string): string[] | string {
  const found = [...command.matchAll(WORD)].map(([, word]) => word);
  if (!found.every((word) => word !== undefined)) return command;
  return found.map((word) =>
    word.replaceAll(
      QUOTED,
      (_, single, double, escaped) => single ?? double?.replaceAll(/\\(.)/gs, '$1') ?? escaped,
    ),
  );
}
