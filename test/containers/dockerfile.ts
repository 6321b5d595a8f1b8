import { readFileSync } from 'node:fs';
import { DockerfileParser, type Instruction } from 'dockerfile-ast';

/** What a Dockerfile says of the image. */
export interface Dockerfile {
  /** All but the last stage: they make what the last one copies. */
  readonly build: readonly Step[];
  readonly image: readonly Step[];
  readonly entrypoint: readonly string[];
  readonly healthcheck: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly user: string;
  readonly folder: string;
}

export interface Step {
  readonly keyword: string;
  /** Its arguments in one line, variables filled in. */
  readonly text: string;
}

export function readDockerfile(path: string): Dockerfile {
  const dockerfile = DockerfileParser.parse(readFileSync(path, 'utf8'));
  const instructions = dockerfile.getInstructions();
  const lastFrom = instructions.findLastIndex((instruction) => instruction.getKeyword() === 'FROM');
  const steps = instructions.map((instruction) => ({
    keyword: instruction.getKeyword(),
    text: textOf(instruction),
  }));
  const image = steps.slice(lastFrom);
  const last = (keyword: string) => image.findLast((step) => step.keyword === keyword)?.text ?? '';
  const environment = instructions
    .slice(lastFrom)
    .filter((instruction) => instruction.getKeyword() === 'ENV')
    .flatMap((instruction) => instruction.getArguments().map((argument) => argument.getValue().split('=')));
  return {
    build: steps.slice(0, lastFrom),
    image,
    entrypoint: JSON.parse(last('ENTRYPOINT')),
    healthcheck: JSON.parse(last('HEALTHCHECK').replace(/^.*?\bCMD /, '')),
    environment: Object.fromEntries(environment),
    user: last('USER'),
    folder: last('WORKDIR'),
  };
}

function textOf(instruction: Instruction): string {
  return (instruction.getArgumentsContent() ?? '').replaceAll(/\\\n\s*/g, '');
}
