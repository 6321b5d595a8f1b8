import { ChildProgram } from './child-program';
import { findOnPath } from './program-path';

/**
 * Runs `v4l2-ctl` (Debian's package v4l-utils) for a camera. Resolves with what it wrote and whether it
 * was content; undefined where it is not installed.
 */
export async function runV4l2Ctl(
  path: string,
  options: readonly string[],
): Promise<
  { readonly output: string; readonly said: readonly string[]; readonly isContent: boolean } | undefined
> {
  const program = await findOnPath('v4l2-ctl');
  if (program === undefined) return undefined;
  const child = new ChildProgram(program, ['--device', path, ...options]);
  let output = '';
  child.output.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const { code, lastLines } = await child.exit;
  // Some versions end with 0 whatever happened, but never without a word.
  return { output, said: lastLines, isContent: code === 0 && lastLines.length === 0 };
}
