import { describe, expect, it } from 'vitest';
import { FaceMemory } from './face-memory';

const box = { x: 100, y: 100, width: 60, height: 60 };
const face = { box, score: 5 };

describe('FaceMemory', () => {
  it('keeps a face that waits for its turn, and forgets one that was looked for in vain', () => {
    const memory = new FaceMemory();
    memory.learn([face], [], 0);
    // Nobody has looked since.
    expect(memory.places(5000)).toHaveLength(1);
    memory.learn([], [box], 5000);
    expect(memory.places(5000)).toHaveLength(0);
  });

  it('looks for a face that is gone for half a second, and does not say that it is there', () => {
    const memory = new FaceMemory();
    memory.learn([face], [], 0);
    memory.learn([], [box], 400);
    expect(memory.present).toEqual([]);
    expect(memory.places(500)).toHaveLength(1);
    expect(memory.places(501)).toHaveLength(0);
  });

  it('gives those first that were not looked at for longest, and one place for each face', () => {
    const memory = new FaceMemory();
    const other = { box: { ...box, x: 400 }, score: 5 };
    memory.learn([face, other], [], 0);
    memory.learn([{ box: { ...box, x: 110 }, score: 6 }], [box], 100);
    expect(memory.places(100).map(({ face: { box: at } }) => at.x)).toEqual([400, 110]);
  });
});
