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

  it('says who waits: those whom a frame has not looked at, and who were seen before it', () => {
    const memory = new FaceMemory();
    const other = { box: { ...box, x: 400 }, score: 5 };
    const later = { box: { ...box, x: 700 }, score: 5 };
    memory.learn([face, other], [], 0);
    const looked = memory.places(100).filter((known) => known.face === face);
    memory.learn([later], [], 200);
    expect(memory.others(looked, 100)).toEqual([other]);
  });

  it('is not set back by a frame that is through after the next one', () => {
    const memory = new FaceMemory();
    memory.learn([face], [], 0);
    const moved = { box: { ...box, x: 110 }, score: 6 };
    memory.learn([moved], [box], 200);
    memory.learn([{ box: { ...box, x: 105 }, score: 7 }], [box], 100);
    expect(memory.places(200)).toMatchObject([{ face: moved, foundAt: 200, lookedAt: 200 }]);
    memory.learn([], [box], 300);
    memory.learn([{ box: { ...box, x: 112 }, score: 7 }], [box], 250);
    expect(memory.places(300)).toMatchObject([{ foundAt: 250, lookedAt: 300 }]);
    expect(memory.present).toEqual([]);
  });
});
