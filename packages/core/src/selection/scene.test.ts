import { afterEach, expect, it, vi } from 'vitest';
import type { Frame } from '../frame';
import type { Candidate } from './candidate';
import { Scene } from './scene';

afterEach(() => void vi.useRealTimers());

const image = { format: 'grey', data: new Uint8Array(640 * 480), width: 640, height: 480 } as const;
const face = { box: { x: 100, y: 100, width: 80, height: 80 }, score: 50 };

it('goes by the wall clock only when no frame has come for a second', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const rules = { length: 1, isFirst: false, latest: 500, isPeriodic: false };
  const scene = new Scene('camera', 'detector', { tracker: {}, budget: {}, rules });
  for (let sequence = 0; sequence < 13; sequence += 1) {
    const frame: Frame = {
      camera: 'camera',
      sequence,
      capturedAt: sequence * 33,
      clock: 'arrival',
      readAt: 0,
      image,
    };
    const { tracks } = scene.see({ frame, faces: [face], detector: 'detector' });
    scene.visitOf(tracks[0]!).offer({ quality: 0.5, thumbnail: new Float32Array(1) } as unknown as Candidate);
  }
  // Of the 500 ms 396 are over. Frames that come in bursts leave the clock alone.
  vi.advanceTimersByTime(990);
  expect(scene.overdue()).toEqual([]);
  vi.advanceTimersByTime(20);
  expect(scene.overdue()).toMatchObject([{ reason: 'latest' }]);
});

it('keeps nothing of those who have left', async () => {
  const rules = { length: 1, isFirst: false, latest: 500, isPeriodic: false };
  const scene = new Scene('camera', 'detector', { tracker: {}, budget: {}, rules });
  const left: WeakRef<object>[] = [];
  for (let sequence = 0; sequence < 20; sequence += 1) {
    const frame: Frame = {
      camera: 'camera',
      sequence,
      capturedAt: sequence,
      clock: 'file',
      readAt: 0,
      image,
    };
    const { ended } = scene.see({ frame: { ...frame, still: true }, faces: [face], detector: 'detector' });
    for (const track of ended) {
      scene.leave(track, 'left');
      left.push(new WeakRef(track));
    }
  }
  await new Promise((resolve) => setImmediate(resolve));
  globalThis.gc!();
  expect(left).toHaveLength(20);
  expect(left.filter((track) => track.deref() !== undefined).length).toBeLessThan(5);
});
