import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { numberOf, writeCodedJpegs } from '../../test/coded-picture';
import { packagedFfmpeg, temporaryFolder } from '../../test/media';
import { describeWith } from '../../test/requirements';
import { FrameSource } from './frame-source';

/** Frames that the camera counts before it begins anew, and of how many each piece is. */
const [ROUND, PIECE] = [100, 25];
const LOGIN = 'anna:se%40cret';

const temporary = temporaryFolder();
let camera: ChildProcess;
/** A web server with the playlist and the pieces of a live stream, for who has the password. */
const server = createServer(async (request, response) => {
  const expected = `Basic ${Buffer.from(decodeURIComponent(LOGIN)).toString('base64')}`;
  if (request.headers.authorization !== expected) {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="camera"' }).end();
    return;
  }
  const data = await readFile(join(temporary.path, request.url!)).catch(() => undefined);
  response.writeHead(data ? 200 : 404, { 'content-type': 'application/vnd.apple.mpegurl' }).end(data);
});

beforeAll(async () => {
  const pictures = await writeCodedJpegs(await temporary.folder('pictures'), ROUND);
  const [playlist, third] = ['live.m3u8', 'live3.ts'].map((name) => join(temporary.path, name));
  camera = spawn(packagedFfmpeg, [
    ...['-nostdin', '-loglevel', 'error', '-re', '-loop', '1', '-framerate', '25', '-i', pictures],
    ...['-t', '120', '-pix_fmt', 'yuv420p', '-c:v', 'libx264', '-preset', 'ultrafast', '-g', `${PIECE}`],
    ...['-f', 'hls', '-hls_time', '1', '-hls_list_size', '5', '-hls_flags', 'delete_segments', playlist!],
  ]);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  await vi.waitFor(() => expect(existsSync(third!)).toBe(true), 30_000);
});
afterAll(() => {
  camera.kill('SIGKILL');
  server.closeAllConnections();
  server.close();
});

function suite(ffmpegPath: string) {
  it('is read at its pace, though it comes in pieces: who looks at a frame for 10 ms sees most', async () => {
    const { port } = server.address() as AddressInfo;
    const source = new FrameSource(`http://${LOGIN}@127.0.0.1:${port}/live.m3u8`, { ffmpegPath });
    const seen: { readonly number: number; readonly sequence: number }[] = [];
    for await (const { image, sequence, clock } of source) {
      expect(clock).toBe('stream');
      seen.push({ number: await numberOf(image), sequence });
      if (seen.length === 3 * PIECE) break;
      await sleep(10);
    }
    const [first] = seen;
    for (const { number, sequence } of seen) {
      expect(number).toBe((first!.number + sequence - first!.sequence) % ROUND);
    }
    expect(seen.at(-1)!.sequence - first!.sequence).toBeLessThan(6 * PIECE);
  });
}

describe('HLS', () => {
  describe('with the ffmpeg of the npm package', () => suite(packagedFfmpeg));
  describeWith('ffmpeg', 'with the ffmpeg of the system', () => {
    suite(spawnSync('which', ['ffmpeg'], { encoding: 'utf8' }).stdout.trim());
  });
});
