import { mkdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startApp } from './app-process';
import { filesIn, isJpeg, THREE_FACES, temporaryFolder } from './materials';

describe('the demo', () => {
  it('plays a video all the way into a store on a machine with nothing but node, and loses nothing', async () => {
    const folder = await temporaryFolder();
    // A PATH with node and nothing else: no ffmpeg, no broker.
    const bin = join(folder, 'bin');
    await mkdir(bin);
    await symlink(process.execPath, join(bin, 'node'));
    const [json, store] = [join(folder, 'summary.json'), join(folder, 'pictures')];
    const demo = startApp('demo', ['--json', json, '--store', store], { env: { PATH: bin }, cwd: folder });
    expect(await demo.ended, demo.log + demo.output).toBe(0);

    const summary = JSON.parse(await readFile(json, 'utf8'));
    const pictures = await filesIn(store);
    expect(summary).toEqual({
      frames: 765,
      faces: expect.any(Number),
      selected: summary.faces,
      published: summary.faces,
      forwarded: summary.faces,
      stored: pictures.length,
      duplicates: 0,
      lost: 0,
      bytes: expect.any(Number),
      seconds: expect.any(Number),
      latencyMs: { p50: expect.any(Number), p99: expect.any(Number) },
      store,
    });
    // One face throughout; now and then the detector misses it.
    expect(summary.faces).toBeGreaterThan(700);
    expect(summary.stored).toBe(summary.faces);
    expect(summary.latencyMs.p99).toBeGreaterThanOrEqual(summary.latencyMs.p50);
    expect(await isJpeg(join(store, pictures[0]!))).toBe(true);
    expect(demo.output).toMatch(/lost\s+0/);
    expect(demo.output).toContain(store);
  }, 180_000);

  it('takes pictures of your own, and fails for a source that is not there', async () => {
    const folder = await temporaryFolder();
    const demo = startApp('demo', ['--source', THREE_FACES, '--store', join(folder, 'pictures')], {
      cwd: folder,
    });
    expect(await demo.ended, demo.log + demo.output).toBe(0);
    expect(await filesIn(join(folder, 'pictures'))).toHaveLength(3);

    const missing = startApp('demo', ['--source', '/no/such/video.mp4'], { cwd: folder });
    expect(await missing.ended).toBe(1);
    expect(missing.log).toContain('/no/such/video.mp4');
  }, 120_000);
});
