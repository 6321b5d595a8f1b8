import { type CameraMode, parseFfmpegModes, parseV4l2Modes } from './camera-modes';
import { ChildProgram } from './child-program';
import { runV4l2Ctl } from './v4l2-ctl';

/** What a camera has to offer. */
export interface CameraListing {
  readonly modes: readonly CameraMode[];
  /** What ffmpeg said where it found no mode that it can read; empty otherwise. */
  readonly said: readonly string[];
}

/**
 * The modes of a camera: with rates from `v4l2-ctl` where it is installed, else from ffmpeg, which does not
 * tell them. It goes while another program has the camera, too.
 */
export async function readModes(path: string, ffmpeg: string): Promise<CameraListing> {
  const listed = await runV4l2Ctl(path, ['--list-formats-ext']);
  const known = parseV4l2Modes(listed?.output.split('\n') ?? []);
  if (known.length > 0) return { modes: known, said: [] };

  const said: string[] = [];
  const options = ['-hide_banner', '-nostdin', '-f', 'v4l2', '-list_formats', 'all', '-i', path];
  const program = new ChildProgram(ffmpeg, options, { onLine: (line) => said.push(line) });
  program.output.resume();
  await program.exit;
  const modes = parseFfmpegModes(said);
  return { modes, said: modes.length > 0 ? [] : said };
}
