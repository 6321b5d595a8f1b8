// Takes the pictures of the gallery for docs/archive.md: `npm run screenshots`. The faces are drawn, nobody's.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Publisher } from 'edge-relay';
import { startMosquitto } from 'edge-relay/testing';
import sharp from 'sharp';
import { type VisitOptions, visit } from '../../packages/core/test/browser';
import { launchApp } from '../app-launch';
import { until } from '../until';

const FACES = 34;
const images = join(process.argv[2] ?? '.', 'docs', 'images');
const store = await mkdtemp(join(tmpdir(), 'edge-relay-screenshots-'));
const broker = await startMosquitto();
const sink = launchApp('cloud-sink', ['--cloud-url', broker.url, '--store', store, '--gallery', '0']);
try {
  await until(
    () => sink.log.includes('gallery at') && sink.log.includes('listening'),
    () => sink.log,
  );
  const publisher = new Publisher({ url: broker.url, topic: 'hw3faces', stamp: 'publishedat' });
  for (let number = 0; number < FACES; number += 1) await publisher.publish(await faceMessage(number));
  await publisher.close();
  const url = /gallery at (\S+)/.exec(sink.log)![1]!;
  await take(url, 'gallery-light', { viewport: { width: 1200, height: 760 } });
  await take(url, 'gallery-face-dark', { viewport: { width: 1200, height: 760 }, colorScheme: 'dark' }, true);
  await take(url, 'gallery-phone', { viewport: { width: 390, height: 760 } });
} finally {
  sink.child.kill('SIGTERM');
  await sink.ended;
  await broker.close();
  await rm(store, { recursive: true });
}

async function take(url: string, name: string, options: VisitOptions, isOpen = false): Promise<void> {
  const { page, close } = await visit(url, options);
  try {
    await page.locator('.card').first().waitFor();
    if (isOpen) await page.locator('.card').nth(3).click();
    await page.waitForLoadState('networkidle').catch(() => {});
    await page.waitForTimeout(1_000);
    await page.screenshot({ path: join(images, `${name}.png`) });
  } finally {
    await close();
  }
}

async function faceMessage(number: number) {
  const camera = number % 3 === 0 ? 'yard' : 'front-door';
  const visitor = Math.floor(number / 2);
  // The last ones come as from a camera: their times are true.
  const isLive = number >= FACES - 4;
  const captured = isLive ? Date.now() - 110 : Date.UTC(2026, 0, 31, 14, 12) + number * 187_000;
  const time = new Date(captured).toISOString();
  const id = `${camera}-${time.replaceAll(/[-:]/g, '')}-1f2e3d4c-${number * 5}-face-0`;
  const later = (ms: number) => new Date(captured + ms).toISOString();
  const properties = {
    specversion: '1.0',
    ...{
      id,
      time,
      camera,
      source: `/${camera}`,
      type: 'dev.edge-relay.face.v1',
      subject: `visit-${visitor}`,
    },
    ...{ boot: '1f2e3d4c', sequence: String(number * 5), number: String(number), detector: 'face' },
    ...{
      box: `${700 + number * 9},${260 + (number % 5) * 20},168,168`,
      framesize: '1920x1080',
      clock: 'device',
    },
    ...{ score: (0.71 + (number % 9) / 40).toFixed(3), quality: (0.62 + (number % 7) / 20).toFixed(2) },
    ...{ readat: later(12), detectedat: later(96) },
  };
  return { payload: await drawFace(visitor), contentType: 'image/png', properties };
}

/** A face of a few shapes; each visitor has one of his own. */
function drawFace(visitor: number): Promise<Buffer> {
  const pick = <T>(values: readonly T[], salt: number): T =>
    values[(visitor * 7 + salt * 3) % values.length]!;
  const skin = pick(['#f2cfae', '#d9a374', '#a86f45', '#7a4a2b', '#f6dcc6'], 1);
  const hair = pick(['#2b1d14', '#5a3620', '#b98235', '#8f8f94', '#1c1c22', '#7a2f1d'], 2);
  const wall = pick(['#9fb4bd', '#c9beaa', '#a9b79a', '#b9a7b4', '#8d98a5'], 4);
  const shirt = pick(['#32546b', '#7c3f3a', '#4c6b4a', '#3d3b54', '#8a7440'], 5);
  const smile = pick(['M84 150q16 14 32 0', 'M86 153q14 6 28 0', 'M82 148q18 20 36 0'], 3);
  const beard = pick([0, 0, 0.55, 0], 6);
  const glasses = pick([0, 1, 0], 2);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200" width="200" height="200">
    <rect width="200" height="200" fill="${wall}"/>
    <path d="M20 210q10-50 80-50t80 50z" fill="${shirt}"/>
    <rect x="84" y="140" width="32" height="40" fill="${skin}"/>
    <ellipse cx="100" cy="102" rx="52" ry="66" fill="${skin}"/>
    <path d="M46 100q-6-72 54-72t54 72q-10-34-30-38-30 8-60-2-14 14-18 40z" fill="${hair}"/>
    <path d="M54 128q10 42 46 42t46-42q-6 20-46 18-40 2-46-18z" fill="${hair}" opacity="${beard}"/>
    <g fill="#fff"><ellipse cx="78" cy="104" rx="10" ry="6"/><ellipse cx="122" cy="104" rx="10" ry="6"/></g>
    <g fill="#2a211b"><circle cx="79" cy="104" r="5"/><circle cx="121" cy="104" r="5"/></g>
    <g fill="none" stroke="#2a211b" stroke-width="3" stroke-linecap="round">
      <path d="M66 90q12-7 23 0M111 90q11-7 23 0"/><path d="M100 108q-7 16 2 20" opacity=".5"/><path d="${smile}"/>
      <g opacity="${glasses}"><circle cx="78" cy="104" r="17"/><circle cx="122" cy="104" r="17"/><path d="M95 102h10"/></g>
    </g></svg>`;
  return sharp(Buffer.from(svg)).blur(0.6).png().toBuffer();
}
