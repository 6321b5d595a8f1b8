import { withoutCredentials } from 'edge-relay';

/** Something that is wrong with what a program was told. */
export interface Problem {
  /** Where it was said: `edge.yaml:3:7`; undefined where the message says it. */
  readonly place?: string;
  readonly message: string;
}

/** Says what is wrong, without passwords in addresses, and ends with exit code 2. */
export function refuse(program: string, problems: readonly Problem[]): never {
  const lines = problems.map(({ place, message }) =>
    place === undefined ? message : `${place}: ${message}`,
  );
  // What holds for two cameras is wrong once.
  for (const line of new Set(lines)) process.stderr.write(`error: ${withoutCredentials(line)}\n`);
  process.stderr.write(`(${program} --help shows all options)\n`);
  process.exit(2);
}
