import { readFileSync } from 'node:fs';
import type { Problem } from './problem';
import { type Environment, variableOrFile } from './variables';
import { loadYaml } from './yaml';

/** What a configuration file says, and where. */
export interface ConfigFile {
  readonly values: Readonly<Record<string, unknown>>;
  readonly problems: readonly Problem[];
  /** `edge.yaml:3:7`, of the value at a path, or of the nearest thing around it that is there. */
  place(path: readonly PropertyKey[]): string;
  /** The same of the name itself: what is unknown is pointed at. */
  placeOfName(path: readonly PropertyKey[]): string;
}

/** `$${`, `${NAME}`, `${NAME:default}`, and what is neither. */
const VARIABLE = /\$(\$\{)|\$\{([A-Za-z_]\w*)(?::([^}]*))?\}|(\$\{)/g;

/** What to do about errors that say only what is not allowed. */
const CURES: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'Use spaces.',
  DUPLICATE_KEY: 'Leave out one of the two lines with this name.',
  BLOCK_AS_IMPLICIT_KEY: 'Put a text with a colon in it in quotes.',
  BAD_SCALAR_START: 'Put the text in quotes.',
};

/** Reads YAML with variables in its values. */
export function readConfigFile(path: string, environment: Environment): ConfigFile {
  const { isMap, isNode, isScalar, LineCounter, parseDocument, Scalar, visit } = loadYaml();
  const lines = new LineCounter();
  const at = (offset: number | undefined) => {
    if (offset === undefined) return path;
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  const nothing = { values: {}, place: () => path, placeOfName: () => path };
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const message = `the configuration file cannot be read (${(error as Error).message}).`;
    return { ...nothing, problems: [{ place: path, message }] };
  }
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    return {
      ...nothing,
      problems: document.errors.map(({ pos: [offset], code, message }) => {
        const cure = CURES[code];
        return { place: at(offset), message: cure === undefined ? message : `${message}. ${cure}` };
      }),
    };
  }
  if (document.contents !== null && !isMap(document.contents)) {
    const message = 'the file must hold names and values, such as cloudUrl: mqtt://cloud.example';
    return { ...nothing, problems: [{ place: at(document.contents.range?.[0]), message }] };
  }
  const problems: Problem[] = [];
  visit(document, {
    Alias(_, node) {
      if (node.resolve(document)) return;
      const message = `*${node.source} stands for nothing that is named before. Put a text that begins with * in quotes.`;
      problems.push({ place: at(node.range?.[0]), message });
      return visit.REMOVE;
    },
    Scalar(position, node) {
      if (position === 'key' || typeof node.value !== 'string') return;
      const whole = node.value.replaceAll(VARIABLE, (_, escaped, name, ifNone, unclear) => {
        if (escaped !== undefined) return escaped;
        try {
          if (unclear !== undefined)
            throw new Error(`write $\{NAME} or $\{NAME:default}; $$\{ stands for $\{`);
          const value = variableOrFile(environment, name) ?? ifNone;
          if (value !== undefined) return value;
          throw new Error(`$\{${name}} is not set: set the variable, or write $\{${name}:default}`);
        } catch (error) {
          problems.push({ place: at(node.range?.[0]), message: `${(error as Error).message}.` });
          return '';
        }
      });
      // What a variable leaves empty is as if it were not there.
      node.value = whole === '' && node.value !== '' && node.type === Scalar.PLAIN ? null : whole;
    },
  });
  const values = (document.toJS() ?? {}) as Record<string, unknown>;
  return {
    values,
    problems,
    place(path) {
      for (let length = path.length; length > 0; length -= 1) {
        const node = document.getIn(path.slice(0, length), true);
        if (isNode(node) && node.range) return at(node.range[0]);
      }
      return at(undefined);
    },
    placeOfName(path) {
      const parent = path.length > 1 ? document.getIn(path.slice(0, -1), true) : document.contents;
      const pair = isMap(parent)
        ? parent.items.find(({ key }) => isScalar(key) && key.value === path.at(-1))
        : undefined;
      return at(isScalar(pair?.key) ? pair.key.range?.[0] : undefined);
    },
  };
}
