/** Something that is wrong with what a program was told. */
export interface Problem {
  /** Where it was said: `edge.yaml:3:7`; undefined where the message says it. */
  readonly place?: string;
  readonly message: string;
}

/** Says what is wrong and ends with exit code 2. */
export function refuse(program: string, problems: readonly Problem[]): never {
  for (const { place, message } of problems) {
    process.stderr.write(`error: ${place === undefined ? '' : `${place}: `}${message}\n`);
  }
  process.stderr.write(`(${program} --help shows all options)\n`);
  process.exit(2);
}
