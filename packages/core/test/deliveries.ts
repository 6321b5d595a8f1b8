import sharp from 'sharp';
import type { Delivery } from '../src/message';
import type { Store } from '../src/sinks/store';

export const id = 'front-door-20260102T030405.678Z-0badcafe-12-haar-0';
export const properties = {
  id,
  time: '2026-01-02T03:04:05.678Z',
  camera: 'front-door',
  readat: '2026-01-02T03:04:05.700Z',
  score: '7.5',
  specversion: '1.0',
};
/** Where a sink keeps a PNG with these properties. */
export const key = `front-door/dt=2026-01-02/hour=03/${id}.png`;

/** A small PNG of noise, which does not compress: cutting it anywhere cuts pixels off. */
export function noisePng(): Promise<Buffer> {
  const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
  const picture = sharp({ create: { width: 64, height: 64, channels: 3, background: 'red', noise } });
  return picture.png().toBuffer();
}

/** A delivery of a picture with these properties, as a subscriber would hand it out. */
export function deliveryOf(payload: Uint8Array, parts: Partial<Delivery> = {}): Delivery {
  return {
    id: 'as the subscriber calls it',
    topic: 'hw3faces',
    payload,
    properties,
    receivedAt: Date.UTC(2026, 5, 7, 8, 9, 10),
    redelivered: false,
    ack() {},
    ...parts,
  };
}

/** The keys of everything in a store. */
export async function keysOf(store: Store): Promise<string[]> {
  const keys: string[] = [];
  for await (const object of store.list()) keys.push(object.key);
  return keys.sort();
}
