/// <reference lib="dom" />
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import type { ManifestRow } from 'edge-relay';
import { type Mosquitto, startMosquitto } from 'edge-relay/testing';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { type VisitOptions, visit } from '../packages/core/test/browser';
import { describeWith } from '../packages/core/test/requirements';
import { createBucket, type S3Server, startS3Server } from '../packages/core/test/s3-server';
import { type AppProcess, startApp, until } from './app-process';
import { filesIn, photoFolder, temporaryFolder } from './materials';

interface Running {
  readonly sink: AppProcess;
  readonly broker: Mosquitto;
  readonly store: string;
  readonly url: string;
}

/** A sink with a gallery that listens already. */
function start(...more: string[]): Promise<Running> {
  return startWith(more, {});
}

async function startWith(more: string[], env: Record<string, string>): Promise<Running> {
  const broker = await startMosquitto();
  const store = await temporaryFolder();
  const args = ['--cloud-url', broker.url, '--topic', 'faces', '--store', store, '--gallery', '0'];
  const sink = startApp('cloud-sink', [...args, ...more], { env });
  onTestFinished(async () => {
    sink.child.kill('SIGKILL');
    await broker.close();
  });
  await until(
    () => sink.log.includes('gallery at') && sink.log.includes('listening'),
    () => sink.log,
  );
  return { sink, broker, store, url: /gallery at (\S+)/.exec(sink.log)![1]! };
}

/** Lets a camera see so many photos of three people. */
async function see({ broker }: Running, camera: string, photos: number): Promise<void> {
  const source = await photoFolder(photos);
  const args = ['--role', 'detect', '--source', source, '--camera', camera];
  const device = startApp('edge-pipeline', [...args, '--edge-url', broker.url, '--edge-topic', 'faces']);
  expect(await device.ended, device.log).toBe(0);
}

async function open(url: string, options?: VisitOptions) {
  const visitor = await visit(url, options);
  onTestFinished(() => visitor.close());
  return visitor;
}

/** The status of an answer to somebody who calls the server by another name. */
function statusFor(url: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .once('error', reject)
      .end();
  });
}

describeWith('mosquitto', 'a gallery', () => {
  it('is for this machine alone, unless it is told otherwise, and wants a token then', async () => {
    const { url } = await start();
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    expect(await statusFor(url, new URL(url).host)).toBe(200);
    // A name of somebody else that leads to this machine.
    expect(await statusFor(url, 'elsewhere.example')).toBe(403);

    const { url: open } = await start('--gallery-host', '0.0.0.0');
    const token = new URL(open).searchParams.get('token')!;
    expect(token).toMatch(/^[0-9a-f]{32}$/);
    const base = `http://127.0.0.1:${new URL(open).port}`;
    expect((await fetch(`${base}/api/days`)).status).toBe(401);
    expect((await fetch(`${base}/picture?key=a`)).status).toBe(401);
    expect((await fetch(`${base}/?token=wrong`)).status).toBe(401);
    const headers = { authorization: `Bearer ${token}` };
    expect((await fetch(`${base}/api/days`, { headers })).status).toBe(200);
    const entered = await fetch(`${base}/?token=${token}`, { redirect: 'manual' });
    expect(entered.status).toBe(302);
    expect(entered.headers.get('set-cookie')).toMatch(/HttpOnly.*SameSite=Strict/);
    const cookie = entered.headers.get('set-cookie')!.split(';')[0]!;
    expect((await fetch(`${base}/`, { headers: { cookie } })).status).toBe(200);
  });

  it('gives out pictures and nothing else, and forgets only what it is asked to in its own words', async () => {
    const running = await start();
    await see(running, 'door', 1);
    const { url, store } = running;
    await until(
      async () => (await filesIn(store)).length === 3,
      () => running.sink.log,
    );
    const faces = async () =>
      ((await (await fetch(`${url}api/faces`)).json()) as { rows: ManifestRow[] }).rows;
    // The row follows its object.
    await expect.poll(faces, { timeout: 10_000 }).toHaveLength(3);
    const rows = await faces();
    const [first] = rows as [ManifestRow];
    const picture = await fetch(`${url}picture?key=${encodeURIComponent(first.key)}`);
    expect(picture.headers.get('content-type')).toBe('image/jpeg');
    expect(Buffer.from(await picture.arrayBuffer())).toEqual(await readFile(join(store, first.key)));
    // What a sink keeps for itself is there, too.
    const own = ['gaps/a.json', 'rejected/a.bin', 'arrivals/a.json', 'conflicts/a.png'];
    for (const key of own) {
      await mkdir(join(store, dirname(key)), { recursive: true });
      await writeFile(join(store, key), 'no picture');
    }
    const [part] = (await readdir(join(store, 'manifest/parts'))).map((name) => `manifest/parts/${name}`);
    for (const key of ['', '../outside', part!, ...own, '/etc/passwd', 'door/none.jpg']) {
      expect((await fetch(`${url}picture?key=${encodeURIComponent(key)}`)).ok, key).toBe(false);
    }
    const forget = (body: string, type: string) =>
      fetch(`${url}api/forget`, { method: 'POST', headers: { 'content-type': type }, body });
    expect((await forget(JSON.stringify(first), 'text/plain')).status).toBe(415);
    expect((await forget('{}', 'application/json')).status).toBe(400);
    expect(await faces()).toHaveLength(3);
  });
});

describeWith('ceph', 'a gallery of a private bucket', () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3Server();
    await createBucket(server, 'faces');
  });
  afterAll(() => server?.stop());

  it('sends a visitor to the bucket, by an address that is good for five minutes', async () => {
    const env = { AWS_ACCESS_KEY_ID: server.accessKeyId, AWS_SECRET_ACCESS_KEY: server.secretAccessKey };
    const running = await startWith(['--store', 's3://faces/here', '--s3-endpoint', server.endpoint], env);
    const { url } = running;
    await see(running, 'door', 1);
    const faces = async () =>
      ((await (await fetch(`${url}api/faces`)).json()) as { rows: ManifestRow[] }).rows;
    await expect.poll(faces, { timeout: 20_000 }).toHaveLength(3);
    expect(await (await fetch(`${url}api/days`)).json()).toHaveLength(1);
    const [{ key, sha256, bytes }] = (await faces()) as [ManifestRow];
    const answer = await fetch(`${url}picture?key=${encodeURIComponent(key)}`, { redirect: 'manual' });
    const address = new URL(answer.headers.get('location')!);
    expect([answer.status, address.origin]).toEqual([302, server.endpoint]);
    expect(address.searchParams.get('X-Amz-Expires')).toBe('300');
    const picture = Buffer.from(await (await fetch(address)).arrayBuffer());
    expect([picture.length, createHash('sha256').update(picture).digest('hex')]).toEqual([bytes, sha256]);
    // Without what was signed it is nobody's.
    expect((await fetch(`${address.origin}${address.pathname}`)).status).toBe(403);
    // A download has its own name, and comes from the gallery.
    const download = await fetch(`${url}picture?key=${encodeURIComponent(key)}&download=1`);
    expect(download.headers.get('content-disposition')).toContain('attachment');
    expect(Buffer.from(await download.arrayBuffer())).toEqual(picture);
  });
});

describeWith('chromium', 'the page of a gallery', () => {
  it('shows faces as they are stored, opens one, and forgets it, all by keyboard', async () => {
    const running = await start();
    const { page, problems } = await open(running.url);
    await page.getByText('No faces yet').waitFor();
    await page.getByText('live', { exact: true }).waitFor();
    await see(running, 'door', 2);
    const cards = page.locator('.card');
    await cards.nth(5).waitFor();
    expect(await cards.count()).toBe(6);
    // Each has a picture that is one.
    await page.waitForFunction(() =>
      Array.from(document.querySelectorAll<HTMLImageElement>('.card img')).every(
        ({ complete, naturalWidth }) => complete && naturalWidth > 20,
      ),
    );

    await cards.first().focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog');
    await dialog.waitFor();
    const title = await dialog.locator('h2').textContent();
    expect(title).toMatch(/^door, \d{4}-/);
    expect(await dialog.locator('#hops').textContent()).toMatch(/detected.*published.*received.*stored/);
    expect(await dialog.locator('#facts').textContent()).toMatch(/SHA-256[0-9a-f]{64}/);
    const key = (await dialog
      .locator('#facts dd')
      .filter({ hasText: /^door\// })
      .textContent())!;
    const download = page.waitForEvent('download');
    await dialog.getByText('Download').press('Enter');
    const saved = await (await download).path();
    expect(await readFile(saved)).toEqual(await readFile(join(running.store, key)));
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => dialog.locator('#facts').textContent()).not.toContain(key);
    await page.keyboard.press('ArrowLeft');
    await expect.poll(() => dialog.locator('#facts').textContent()).toContain(key);

    const forget = dialog.locator('#forget');
    await forget.press('Enter');
    expect(await forget.textContent()).toBe('For good?');
    expect(await cards.count()).toBe(6);
    await forget.press('Enter');
    await expect.poll(() => cards.count()).toBe(5);
    expect(await readFile(join(running.store, key), 'utf8')).toContain('dev.edge-relay.tombstone');
    // The one beside it is shown, and the keys go on from there, to the last and back.
    const shown = () => dialog.locator('#picture').getAttribute('src');
    const next = await shown();
    expect(next).not.toContain(encodeURIComponent(key));
    await page.keyboard.press('ArrowRight');
    await expect.poll(shown).not.toBe(next);
    const older = dialog.getByRole('button', { name: 'Older face' });
    await older.focus();
    while (await older.isEnabled()) await page.keyboard.press('Enter');
    const last = await shown();
    await page.keyboard.press('ArrowLeft');
    await expect.poll(shown).not.toBe(last);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    const focused = () => page.evaluate(() => document.activeElement?.className);
    await expect.poll(focused).toContain('card');

    await page.reload();
    await cards.nth(4).waitFor();
    expect(await cards.count()).toBe(5);
    expect(problems).toEqual([]);
  });

  it('shows one camera and one day, and the older ones when asked', async () => {
    const running = await start();
    await see(running, 'door', 1);
    await see(running, 'yard', 24);
    const { page, problems } = await open(running.url);
    const cards = page.locator('.card');
    await cards.first().waitFor();
    await expect.poll(() => cards.count(), { timeout: 30_000 }).toBe(60);
    await page.getByRole('button', { name: 'Older' }).click();
    await expect.poll(() => cards.count()).toBe(75);
    await page.locator('#camera').selectOption('door');
    await expect.poll(() => cards.count()).toBe(3);
    const [day] = (await page.locator('#day option').allTextContents()).slice(1);
    await page.locator('#day').selectOption(day!);
    await expect.poll(() => cards.count()).toBe(3);
    expect(await page.locator('#faces h2').first().textContent()).toContain(day);
    expect(problems).toEqual([]);
  });

  it('shows what was asked for last, however late an earlier answer comes', async () => {
    const running = await start();
    await see(running, 'door', 1);
    await see(running, 'yard', 2);
    const { page } = await open(running.url);
    const cards = page.locator('.card');
    await expect.poll(() => cards.count(), { timeout: 30_000 }).toBe(9);
    const isOfYard = (request: { url(): string }) => /faces.*camera=yard/.test(request.url());
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      void page.route(/faces.*camera=yard/, async (route) => {
        const response = await route.fetch();
        const released = new Promise<void>((go) => {
          release = go;
        });
        resolve();
        await released;
        // Nobody may want it any more.
        await route.fulfill({ response }).catch(() => {});
      });
    });
    const events = ['requestfinished', 'requestfailed'] as const;
    const settled = Promise.race(
      events.map((event) => page.waitForEvent(event as 'requestfinished', { predicate: isOfYard })),
    );
    await page.locator('#camera').selectOption('yard');
    await held;
    await page.locator('#camera').selectOption('door');
    await expect.poll(() => cards.count()).toBe(3);
    release();
    await settled;
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 100)));
    expect(await cards.count()).toBe(3);
    expect(await cards.first().getAttribute('aria-label')).toContain('camera door');
  });

  it('says when the faces cannot be had, and tries again when asked', async () => {
    const running = await start();
    await see(running, 'door', 1);
    const visitor = await open('about:blank');
    const { page } = visitor;
    let failing = /api\/days/;
    await page.route(/api\//, (route) =>
      failing.test(route.request().url())
        ? route.fulfill({ status: 500, contentType: 'text/plain', body: 'The bucket faces is not there.' })
        : route.fallback(),
    );
    let streams = 0;
    await page.route(/api\/events/, (route) => {
      streams += 1;
      return streams === 1 ? route.fulfill({ status: 502, body: '<h1>Bad gateway</h1>' }) : route.fallback();
    });
    await page.goto(running.url);
    const cards = page.locator('.card');
    const trouble = page.getByRole('alert');
    const again = page.getByRole('button', { name: 'Try again' });
    await trouble.getByText('The faces could not be loaded: The bucket faces is not there.').waitFor();
    expect(await page.getByText('No faces yet').isVisible()).toBe(false);
    // With the days the faces are had as well.
    failing = /nothing/;
    await again.press('Enter');
    await expect.poll(() => cards.count()).toBe(3);
    await trouble.waitFor({ state: 'hidden' });
    // Faces of another camera than was asked for would be taken for its own.
    failing = /api\/faces/;
    await page.locator('#camera').selectOption('door');
    await trouble.waitFor();
    expect(await cards.count()).toBe(0);
    expect(await page.getByText('No faces yet').isVisible()).toBe(false);
    failing = /nothing/;
    await again.click();
    await expect.poll(() => cards.count()).toBe(3);
    await trouble.waitFor({ state: 'hidden' });
    // A stream that was refused is asked for again.
    await page.getByText('live', { exact: true }).waitFor();
    await page.route(/api\/faces/, (route) => route.fulfill({ status: 502, body: '<h1>Bad gateway</h1>' }));
    await page.locator('#camera').selectOption('');
    await trouble.getByText('The faces could not be loaded: the answer is 502 Bad Gateway.').waitFor();
    // A server that is gone says nothing at all.
    await page.route(/api\/faces/, (route) => route.abort());
    await again.click();
    await trouble.getByText('The server does not answer.').waitFor();
  });

  it('fits a phone, and is dark where that is asked for', async () => {
    const running = await start();
    await see(running, 'door', 2);
    const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, colorScheme: 'dark' } as const;
    const { page, problems } = await open(running.url, phone);
    await page.locator('.card').nth(5).waitFor();
    const overflow = () => document.documentElement.scrollWidth - window.innerWidth;
    expect(await page.evaluate(overflow)).toBe(0);
    const background = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    expect(background).toBe('rgb(21, 23, 26)');
    await page.locator('.card').first().tap();
    await page.getByRole('dialog').waitFor();
    expect(await page.evaluate(overflow)).toBe(0);
    await page.getByRole('button', { name: 'Close' }).tap();
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    expect(problems).toEqual([]);
  });
});
