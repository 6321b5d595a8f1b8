import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findFfmpeg, RelayError } from 'edge-relay';
import type { Finding } from 'edge-relay-command-line';

/** Which ffmpeg is used. @param isNeeded whether a camera has asked for it in vain */
export async function ffmpegFinding(isNeeded: boolean, timeoutMs: number): Promise<Finding> {
  const path = await findFfmpeg('ffmpeg').catch((error) => error as Error);
  if (path instanceof RelayError && path.code === 'FFMPEG_MISSING' && !isNeeded) {
    const cure = `Pictures, http:// streams of JPEGs and exec: go without it; all else does not. ${path.message}`;
    return { state: 'warning', value: 'there is none', cure };
  }
  if (path instanceof Error) throw path;
  const { stdout } = await promisify(execFile)(path, ['-version'], { timeout: timeoutMs });
  const version = /^ffmpeg version (\S+)/.exec(stdout)?.[1];
  if (version !== undefined) return { state: 'pass', value: `${version} at ${path}` };
  const cure = 'Is it the program ffmpeg? Look at FFMPEG_PATH.';
  return { state: 'fail', value: `${path} does not say its version`, cure };
}
