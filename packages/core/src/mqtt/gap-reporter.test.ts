import { EventEmitter } from 'eventemitter3';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { quiet } from '../../test/gate';
import { describeWith } from '../../test/requirements';
import { RelayError } from '../errors';
import { encodeGap, formatRanges, type GapRecord, gapIn, parseRanges, rangesOf } from '../gap-record';
import type { Message } from '../message';
import { audit } from '../sinks/audit';
import { MemoryStore } from '../sinks/memory-store';
import { Sink } from '../sinks/sink';
import { MemorySpool } from '../spool/memory-spool';
import { startMosquitto } from '../testing/mosquitto';
import { GapReporter } from './gap-reporter';
import { Publisher } from './publisher';
import type { OutgoingMessage, PublisherEvents } from './publisher-options';
import { Subscriber } from './subscriber';

/** What a reporter needs of a publisher; the first ones may be dropped. */
class Source extends EventEmitter<PublisherEvents> {
  readonly published: GapRecord[] = [];
  drops = 0;

  async publish(message: OutgoingMessage): Promise<void> {
    if (this.drops > 0) {
      this.drops -= 1;
      this.emit('drop', { message: message as Message, reason: 'full' });
      throw new RelayError('dropped', { code: 'MESSAGE_DROPPED', stage: 'publisher' });
    }
    this.published.push(gapIn(message as Message)!);
  }
}

const picture = (number: number | string, properties = {}): Message => ({
  id: `picture-${number}`,
  topic: 'faces',
  payload: Buffer.from('png'),
  properties: { camera: 'door', boot: 'b1', number: String(number), ...properties },
});

describe('GapReporter', () => {
  it('tells of what was dropped, by camera and reason, in one record each', async () => {
    const source = new Source();
    const gaps = new GapReporter(source);
    for (const number of [3, 5, 4, 9]) source.emit('drop', { message: picture(number), reason: 'full' });
    source.emit('drop', { message: picture(7), reason: 'expired' });
    const error = new RelayError('too large', { code: 'MESSAGE_REFUSED', stage: 'publisher' });
    source.emit('refused', { message: picture(1, { camera: 'yard' }), error });
    await gaps.close();
    const told = source.published.map(({ camera, boot, reason, numbers }) => [camera, boot, reason, numbers]);
    expect(told).toEqual([
      [
        'door',
        'b1',
        'full',
        [
          [3, 5],
          [9, 9],
        ],
      ],
      ['door', 'b1', 'expired', [[7, 7]]],
      ['yard', 'b1', 'refused', [[1, 1]]],
    ]);
    expect(gaps.stats).toEqual({ numbers: 6, records: 3, untold: 0 });
  });

  it('passes over what has no number', async () => {
    const source = new Source();
    const gaps = new GapReporter(source);
    for (const properties of [
      { camera: '' },
      { boot: '' },
      { number: 'x' },
      { number: '-1' },
      { number: '1.5' },
    ]) {
      source.emit('drop', { message: picture(1, properties), reason: 'full' });
    }
    source.emit('drop', { message: { ...picture(1), properties: {} }, reason: 'full' });
    await gaps.close();
    expect(source.published).toEqual([]);
  });

  it('tells again what a record told that was dropped itself', async () => {
    const source = new Source();
    source.drops = 1;
    const gaps = new GapReporter(source);
    source.emit('drop', { message: picture(3), reason: 'full' });
    await gaps.close();
    expect(source.published).toEqual([]);
    source.on('drop', () => {});
    const again = new GapReporter(source);
    const lost = {
      type: 'dev.edge-relay.gap.v1',
      id: 'gap-1',
      camera: 'door',
      boot: 'b1',
      reason: 'full',
    } as const;
    const payload = encodeGap({ ...lost, numbers: [[3, 4]], time: '2026-01-02T03:04:05.678Z' });
    source.emit('drop', { message: { ...picture(0), payload, properties: {} }, reason: 'expired' });
    await again.close();
    expect(source.published).toMatchObject([{ numbers: [[3, 4]], reason: 'full' }]);
  });

  it('does not wait for ever when it is closed', async () => {
    class Stuck extends Source {
      override publish(): Promise<void> {
        return new Promise(() => {});
      }
    }
    const source = new Stuck();
    const gaps = new GapReporter(source);
    source.emit('drop', { message: picture(3), reason: 'full' });
    await gaps.close(20);
    expect(source.listenerCount('drop')).toBe(0);
  });
});

describe('a gap record', () => {
  it('comes back as it went', () => {
    const range = fc.tuple(fc.nat(), fc.nat()).map(([from, more]) => [from, from + more] as const);
    const text = fc.string({ minLength: 1, maxLength: 64 });
    fc.assert(
      fc.property(text, text, fc.array(range), (camera, boot, numbers) => {
        const gap: GapRecord = {
          type: 'dev.edge-relay.gap.v1',
          id: 'gap-1',
          camera,
          boot,
          numbers,
          reason: 'full',
          time: '2026-01-02T03:04:05.678Z',
        };
        expect(gapIn({ payload: encodeGap(gap) })).toEqual(gap);
        expect(parseRanges(formatRanges(numbers))).toEqual(numbers);
      }),
    );
  });

  it('is not what anything else is', () => {
    const wrong = [
      '{"type":"dev.edge-relay.gap.v1"',
      '{"type":"dev.edge-relay.gap.v1"}',
      '{"type":"dev.edge-relay.gap.v1","id":"a","camera":"b","boot":"c","numbers":[[2,1]],"reason":"full","time":"2026-01-02T03:04:05.678Z"}',
      '{"type":"dev.edge-relay.gap.v1","id":"a","camera":"b","boot":"c","numbers":[[1,2]],"reason":"why","time":"2026-01-02T03:04:05.678Z"}',
      '{"type":"dev.edge-relay.gap.v1","id":"a","camera":"b","boot":"c","numbers":[[1,2]],"reason":"full","time":"yesterday"}',
      '{}',
      '',
    ];
    for (const text of wrong) expect(gapIn({ payload: Buffer.from(text) }), text).toBeUndefined();
    expect(rangesOf([5, 1, 2, 2, 3])).toEqual([
      [1, 3],
      [5, 5],
    ]);
  });
});

describeWith('mosquitto', 'from a publisher that drops to the audit', () => {
  it('what is dropped on purpose is no loss', async () => {
    const broker = await startMosquitto();
    const store = new MemoryStore();
    const sink = new Sink(store, { accept: 'any', manifest: true });
    const subscriber = new Subscriber({ url: broker.url, topic: 'faces', clientId: 'archive' });
    onTestFinished(async () => {
      await subscriber.close();
      await sink.close();
      await broker.close();
    });
    const online = new Promise((resolve) => subscriber.once('online', resolve));
    const storing = (async () => {
      for await (const delivery of subscriber) await sink.write(delivery).then(() => delivery.ack());
    })();
    await online;
    await broker.stop();
    const spool = new MemorySpool({ maximumMessages: 10, maximumBytes: 1e6, whenFull: 'drop-oldest' });
    const publisher = new Publisher({ url: broker.url, topic: 'faces', spool, stamp: 'publishedat' });
    const gaps = new GapReporter(publisher);
    const time = '2026-01-02T03:04:05.678Z';
    const publishing = Array.from({ length: 30 }, (_, number) => {
      const { properties } = picture(number, { id: `door-${number}`, time });
      return publisher.publish({ payload: `picture ${number}`, properties }).catch(() => {});
    });
    await quiet();
    await broker.start();
    await Promise.all(publishing);
    await gaps.close(30_000);
    await publisher.flush();
    const arrived = () => sink.stats.stored + sink.stats.gaps;
    const { acknowledged } = publisher.stats;
    await expect.poll(arrived, { timeout: 30_000 }).toBeGreaterThanOrEqual(acknowledged);
    await expect.poll(() => sink.stats.gaps, { timeout: 30_000 }).toBe(gaps.stats.records);
    await publisher.close();
    await subscriber.close();
    await storing;
    const report = await audit(store);
    const [camera] = report.cameras;
    expect(camera).toMatchObject({ missing: 0, dropReasons: ['full'] });
    expect(camera!.dropped).toBeGreaterThanOrEqual(20);
    // A record of a gap may take the place of a picture that is on its way, and arrives although it was dropped.
    const lostPlaces = camera!.stored + camera!.dropped - 30;
    expect(lostPlaces).toBeGreaterThanOrEqual(0);
    expect(lostPlaces).toBeLessThan(gaps.stats.records);
    expect(camera!.hops.map(({ from, to }) => `${from} ${to}`)).toContain('published received');
    expect(report.complete).toBe(true);
  });
});
