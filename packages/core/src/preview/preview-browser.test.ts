import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { type Visit, visit } from '../../test/browser';
import { photos } from '../../test/photos';
import { describeWith } from '../../test/requirements';
import { decode } from '../codec';
import type { RawImage } from '../image';
import { FaceSelector } from '../selection/face-selector';
import { Preview } from './preview';

describeWith('chromium', 'the page of a preview', () => {
  let photo: RawImage;
  beforeAll(async () => {
    photo = await decode(await readFile(photos.people), { stage: 'test', name: 'people' });
  });

  async function openPage(url: string): Promise<Visit> {
    const visitor = await visit(url);
    onTestFinished(() => visitor.close());
    return visitor;
  }

  it('shows what the selector sees, as it sees it', async () => {
    const selector = new FaceSelector();
    const preview = new Preview({ port: 0 });
    onTestFinished(() => preview.close());
    const stats = { captured: 0, dropped: 4 };
    preview.watch(selector, { stats });
    await preview.open();
    let isOver = false;
    const seeing = (async () => {
      for (let sequence = 0; !isOver; sequence += 1) {
        const capturedAt = Date.now();
        const time = { capturedAt, clock: 'device', readAt: capturedAt } as const;
        const box = { x: 700 + (sequence % 200), y: 200, width: 300, height: 300 };
        stats.captured += 1;
        await selector.transform({
          frame: { camera: 'door', sequence, ...time, image: photo },
          faces: [{ box, score: 52.34 }],
          detector: 'alt2',
        });
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
    })();
    onTestFinished(async () => {
      isOver = true;
      await seeing;
    });

    const { page, problems } = await openPage(preview.url);
    const canvas = page.locator('canvas');
    await canvas.waitFor();
    const told = () => page.locator('figcaption').textContent();
    await vi.waitFor(async () => expect(await told()).toMatch(/dropped\s*4/), { timeout: 20_000 });
    expect(await told()).toContain('door alt2');
    expect(await told()).toMatch(/frames\/s\s*[1-9]/);
    expect(await page.locator('#state').textContent()).toBe('');

    await vi.waitFor(async () => {
      const faces = JSON.parse((await canvas.getAttribute('data-faces')) ?? '[]');
      expect(faces[0]).toMatchObject({ isPerson: true, track: expect.stringMatching(/track\d+$/) });
      expect(faces[0].quality).toBeGreaterThan(0);
    });
    const sequence = async () => Number(await canvas.getAttribute('data-sequence'));
    const before = await sequence();
    await vi.waitFor(async () => expect(await sequence()).toBeGreaterThan(before), { timeout: 20_000 });

    const picture = await canvas.screenshot(
      process.env.EDGE_RELAY_SCREENSHOT ? { path: process.env.EDGE_RELAY_SCREENSHOT } : {},
    );
    // The photo is there, and the green of the box around a person.
    const { data, info } = await sharp(picture).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    let green = 0;
    for (let at = 0; at < data.length; at += 3) {
      if (data[at]! < 110 && data[at + 1]! > 190 && data[at + 2]! < 160) green += 1;
    }
    expect(green).toBeGreaterThan(400);
    expect((await sharp(data, { raw: info }).stats()).entropy).toBeGreaterThan(5);
    expect(problems).toEqual([]);

    await preview.close();
    const gone = /does not answer/;
    await vi.waitFor(async () => expect(await page.locator('#state').textContent()).toMatch(gone), {
      timeout: 20_000,
    });
  });
});
