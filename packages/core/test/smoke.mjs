// Uses every class of the library once, in a project that has installed its archive. Prints a line for each; fails
// where one fails, or where a class that is exported is not used. BROKER, PHOTO, VIDEO and FFMPEG say with what; NODE
// is how Node is started where that is not by its own path, as under emulation.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import * as library from 'edge-relay';
import * as testing from 'edge-relay/testing';

const { BROKER: url, PHOTO, VIDEO, FFMPEG: ffmpegPath, NODE: node = process.execPath } = process.env;
mkdirSync('photos');
cpSync(PHOTO, 'photos/people.jpg');

const collected = async (items) => {
  const all = [];
  for await (const item of items) all.push(item);
  return all;
};
const framesOf = (capture) => collected(new library.FrameSource(capture, { camera: 'smoke' }));
const failure = (code) => (error) => error instanceof library.RelayError && error.code === code;
const face = { box: { x: 10, y: 10, width: 60, height: 60 }, score: 1 };
const until = (emitter, event) => new Promise((resolve) => emitter.once(event, resolve));

/** What each class is good for, in as few lines as it takes. */
const uses = {
  async FrameSource() {
    assert.equal((await framesOf('photos')).length, 1);
  },
  async ImageCapture() {
    const [frame] = await framesOf(new library.ImageCapture('photos/people.jpg'));
    assert.equal(frame.image.width, 600);
  },
  async VideoCapture() {
    const capture = new library.VideoCapture(VIDEO, { ffmpegPath });
    for await (const frame of new library.FrameSource(capture, { camera: 'smoke' })) {
      assert.equal(frame.image.format, 'yuv420p');
      break;
    }
  },
  async CommandCapture() {
    const program = 'process.stdout.write(require("fs").readFileSync("photos/people.jpg"))';
    const capture = new library.CommandCapture([node, '-e', program]);
    for await (const frame of new library.FrameSource(capture, { camera: 'smoke' })) {
      assert.equal(frame.image.format, 'jpeg');
      break;
    }
  },
  async MjpegCapture() {
    const server = createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'multipart/x-mixed-replace; boundary=part' });
      const picture = readFileSync('photos/people.jpg');
      const head = `--part\r\ncontent-type: image/jpeg\r\ncontent-length: ${picture.length}\r\n\r\n`;
      response.write(Buffer.concat([Buffer.from(head), picture, Buffer.from('\r\n')]));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const capture = new library.MjpegCapture(`http://127.0.0.1:${server.address().port}/`);
    for await (const frame of new library.FrameSource(capture, { camera: 'smoke' })) {
      assert.equal(frame.image.height, 346);
      break;
    }
    server.closeAllConnections();
    server.close();
  },
  async CameraCapture() {
    // A machine that runs tests has no camera; what is there without one is the news of it.
    const capture = new library.CameraCapture('/dev/video-none', { ffmpegPath });
    const source = new library.FrameSource(capture, { camera: 'smoke' });
    const offline = until(source, 'offline');
    const frames = collected(source);
    assert.ok(failure('SOURCE_NOT_FOUND')((await offline).error));
    await source.close();
    await frames;
  },
  async FaceDetector() {
    const detector = new library.FaceDetector({ workers: 1 });
    assert.equal((await detector.detect('photos/people.jpg')).length, 3);
    await detector.close();
  },
  async FaceSelector() {
    const [frame] = await framesOf('photos');
    const selector = new library.FaceSelector({ policy: 'all' });
    const [message] = await collected(await selector.transform({ frame, faces: [face] }));
    assert.equal(message.contentType, 'image/jpeg');
    await selector.close?.();
  },
  async Preview() {
    const preview = new library.Preview({ port: 0 });
    await preview.open();
    assert.equal((await fetch(preview.url)).status, 200);
    await preview.close();
  },
  async Tracker() {
    const tracker = new library.Tracker(() => ({ id: 'smoke-0', number: 0 }));
    const { tracks } = tracker.update({ at: 0, width: 640, height: 480, faces: [face] });
    assert.equal(tracks[0].id, 'smoke-0');
  },
  async Channel() {
    const channel = new library.Channel();
    const pushed = channel.push('item').then(() => channel.end());
    assert.deepEqual(await collected(channel), ['item']);
    await pushed;
  },
  async RelayError() {
    const error = new library.RelayError('It is away.', {
      code: 'STORE_FAILED',
      stage: 'store',
      retryable: true,
    });
    assert.equal(`${error}`, 'RelayError: It is away.');
  },
  async Publisher() {
    await around({ payload: 'hello', topic: 'smoke/publisher' });
  },
  async Subscriber() {
    await around({ payload: 'hello', topic: 'smoke/subscriber', contentType: 'text/plain' });
  },
  async GapReporter() {
    const publisher = new library.Publisher({ url, topic: 'smoke/gaps' });
    new library.GapReporter(publisher);
    await publisher.close();
  },
  async Bridge() {
    const topics = [{ from: 'smoke/near', to: 'smoke/far' }];
    const bridge = new library.Bridge({ from: { url }, to: { url }, topics });
    const running = bridge.run();
    await around({ payload: 'over', topic: 'smoke/near' }, 'smoke/far');
    await bridge.close();
    await running;
  },
  async LmdbSpool() {
    await spools(new library.LmdbSpool('spool'));
  },
  async MemorySpool() {
    await spools(new library.MemorySpool());
  },
  async Sink() {
    const sink = new library.Sink('stored', { manifest: true });
    const message = { id: 'smoke-1', payload: readFileSync('photos/people.jpg'), properties: {} };
    assert.equal((await sink.write({ ...message, topic: 'hw3faces' })).outcome, 'stored');
    assert.equal((await sink.write({ ...message, topic: 'hw3faces' })).outcome, 'duplicate');
    await sink.close();
    assert.equal((await library.audit('stored')).rows, 1);
  },
  async FileStore() {
    await stores(new library.FileStore('files'));
  },
  async MemoryStore() {
    await stores(new library.MemoryStore());
  },
  async S3Store() {
    // Nobody listens at this port; what is there without a server is the error, and that it may pass.
    const endpoint = `http://127.0.0.1:${await testing.freePort()}`;
    const keys = { accessKeyId: 'key', secretAccessKey: 'secret' };
    const store = new library.S3Store('s3://bucket/prefix', { endpoint, ...keys });
    await assert.rejects(store.open(), (error) => failure('STORE_FAILED')(error) && error.retryable);
    await store.close?.();
  },
  async Chaos() {
    const program = 'console.log("ready"); setInterval(() => {}, 1000)';
    const party = testing.programParty('sleeper', node, ['-e', program]);
    const chaos = new testing.Chaos({ parties: [party], everyMs: [0, 30], awayMs: [0, 30] });
    await chaos.start();
    await chaos.run({ kills: 1 });
    await chaos.close();
  },
  async SeededRandom() {
    assert.equal(new testing.SeededRandom(7).next(), new testing.SeededRandom(7).next());
  },
};

/** Publishes a message and waits until it has come back from the broker. */
async function around(message, topic = message.topic) {
  const subscriber = new library.Subscriber({ url, topic });
  const publisher = new library.Publisher({ url, topic: message.topic });
  const online = until(subscriber, 'online');
  const iterator = subscriber[Symbol.asyncIterator]();
  const coming = iterator.next();
  await online;
  await publisher.publish(message);
  const { value } = await coming;
  assert.equal(Buffer.from(value.payload).toString(), message.payload);
  value.ack();
  await publisher.close();
  await subscriber.close();
}

async function spools(spool) {
  await spool.open();
  await spool.append({ id: '1', payload: Buffer.from('kept'), topic: 'smoke', properties: {} });
  const [entry] = await spool.read(10);
  assert.equal(Buffer.from(entry.message.payload).toString(), 'kept');
  await spool.remove(entry.position);
  await spool.close();
}

async function stores(store) {
  await store.open();
  assert.equal(await store.put('a/b.txt', Buffer.from('kept')), 'created');
  assert.equal(await store.put('a/b.txt', Buffer.from('other')), 'exists');
  assert.equal(Buffer.from((await store.get('a/b.txt')).data).toString(), 'kept');
  await store.close?.();
}

const isClass = ([, value]) => typeof value === 'function' && /^class\b/.test(String(value));
const classes = [library, testing].flatMap((module) => Object.entries(module).filter(isClass));
assert.deepEqual(classes.map(([name]) => name).sort(), Object.keys(uses).sort());
for (const [name, use] of Object.entries(uses)) {
  await use();
  console.log(name);
}
