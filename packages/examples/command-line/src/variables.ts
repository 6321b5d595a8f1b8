import { readFileSync } from 'node:fs';
import { nearest } from './nearest';
import { type Shape, variableOf } from './option';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What a variable says; an empty one counts as none, as compose files make them. */
export function variable(environment: Environment, name: string): string | undefined {
  return environment[name] || undefined;
}

/** The same, or what the file holds that `NAME_FILE` names. @throws where that cannot be read */
export function variableOrFile(environment: Environment, name: string): string | undefined {
  const path = variable(environment, `${name}_FILE`);
  return variable(environment, name) ?? (path === undefined ? undefined : secretIn(path));
}

/** The text of a file that holds nothing but a secret, without the line's end. */
export function secretIn(path: string): string {
  return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
}

/**
 * Variables that look like a slip. No more than that: Kubernetes makes variables from the names of services, and one
 * set may serve several programs.
 */
export function strangeVariables(environment: Environment, shape: Shape, program: string): string[] {
  const known = Object.entries(shape).flatMap(([key, schema]) => variableOf(key, schema) ?? []);
  return Object.keys(environment)
    .filter((name) => name.startsWith('EDGE_RELAY_') && !known.includes(name))
    .flatMap((name) => {
      const near = nearest(
        name.slice(11),
        known.map((one) => one.slice(11)),
      );
      if (near === undefined) return [];
      return [`the variable ${name} says nothing to ${program}; did you mean EDGE_RELAY_${near}?`];
    });
}
