import { expect, test } from 'vitest';
import { Gate, quiet } from '../test/gate';
import { pipeline } from './pipeline';
import type { Transform, Writer } from './stage';
import { branch, type Tee, tee } from './tee';

async function* from<T>(...items: T[]): AsyncGenerator<T> {
  yield* items;
}

interface Parcel {
  readonly name: string;
  ack(): void;
}

function parcels(...names: string[]) {
  const acknowledged: string[] = [];
  const items: Parcel[] = names.map((name) => ({ name, ack: () => void acknowledged.push(name) }));
  return { source: from(...items), acknowledged };
}

function collector<T>(): Writer<T> & { readonly items: T[] } {
  const items: T[] = [];
  return { items, write: (item) => void items.push(item) };
}

test('sends each item down every branch, through its own stages', async () => {
  const plain = collector<number>();
  const doubled = collector<number>();
  const double: Transform<number, number> = { transform: (item) => [item * 2] };
  await pipeline(from(1, 2, 3), tee(branch(plain), branch(double, doubled)));
  expect(plain.items).toEqual([1, 2, 3]);
  expect(doubled.items).toEqual([2, 4, 6]);
});

test('acknowledges an item only when every branch is done with it', async () => {
  const slow = new Gate();
  const { source, acknowledged } = parcels('a');
  const fast = collector<Parcel>();
  const run = pipeline(source, tee(branch(fast), branch({ write: () => slow.passed })));
  await quiet();
  expect(fast.items).toHaveLength(1);
  expect(acknowledged).toEqual([]);
  slow.open();
  await run;
  expect(acknowledged).toEqual(['a']);
});

test('acknowledges an item that one branch filters out when the other has written it', async () => {
  const { source, acknowledged } = parcels('a', 'b');
  const nothing: Transform<Parcel, Parcel> = { transform: () => [] };
  await pipeline(source, tee(branch(nothing, { write: () => {} }), branch({ write: () => {} })));
  expect(acknowledged).toEqual(['a', 'b']);
});

test('leaves an item unacknowledged when one branch fails with it', async () => {
  const { source, acknowledged } = parcels('a');
  const failing: Writer<Parcel> = {
    name: 'archive',
    write: () => {
      throw new Error('disk full');
    },
  };
  const run = pipeline(source, tee(branch({ write: () => {} }), branch(failing)));
  await expect(run).rejects.toMatchObject({ stage: 'archive', code: 'STAGE_FAILED' });
  await quiet();
  expect(acknowledged).toEqual([]);
});

test('goes at the pace of the slowest branch', async () => {
  const gate = new Gate();
  let given = 0;
  async function* counting() {
    for (; given < 100; given += 1) yield given;
  }
  const fast = collector<number>();
  const run = pipeline(counting(), tee(branch(fast), branch({ write: () => gate.passed })));
  await quiet();
  expect(given).toBeLessThan(10);
  gate.open();
  await run;
  expect(fast.items).toHaveLength(100);
});

test('branches again, and stands at the end of a chain of stages', async () => {
  const ends = [collector<number>(), collector<number>(), collector<number>()] as const;
  const inner = tee(branch(ends[1]), branch(ends[2]));
  const addOne: Transform<number, number> = { transform: (item) => [item + 1] };
  await pipeline(from(1, 2), addOne, tee(branch(ends[0]), branch(addOne, inner)));
  expect(ends.map(({ items }) => items)).toEqual([
    [2, 3],
    [3, 4],
    [3, 4],
  ]);
});

test('opens the stages of its branches before the first item and ends them after the last', async () => {
  const calls: string[] = [];
  const stage = (name: string): Writer<string> => ({
    open: async () => void calls.push(`open ${name}`),
    write: (item) => void calls.push(`${item} to ${name}`),
    end: () => void calls.push(`end ${name}`),
  });
  await pipeline(from('item'), tee(branch(stage('left')), branch(stage('right'))));
  expect(calls.slice(0, 2).sort()).toEqual(['open left', 'open right']);
  expect(calls.slice(2, 4).sort()).toEqual(['item to left', 'item to right']);
  expect(calls.slice(4).sort()).toEqual(['end left', 'end right']);
});

test('names the stage of a branch that does not open', async () => {
  const closed: Writer<number> = {
    name: 'store',
    open: () => Promise.reject(new Error('no such bucket')),
    write: () => {},
  };
  const run = pipeline(from(1), tee(branch({ write: () => {} }), branch(closed)));
  await expect(run).rejects.toMatchObject({ stage: 'store', message: 'store failed: no such bucket' });
});

test('says what is wrong with branches that cannot be', () => {
  const transform: Transform<number, number> = { transform: (item) => [item] };
  expect(() => tee()).toThrow(/at least one branch/);
  // @ts-expect-error: the last stage must write.
  expect(() => branch(transform)).toThrow(/branch\(\) must end with a stage that has write/);
  // @ts-expect-error: nothing may follow a writer.
  expect(() => branch({ write: () => {} }, { write: () => {} })).toThrow(
    /Stage 1 of branch\(\).*must be the last/,
  );
  const alone: Tee<number> = tee(branch({ write: () => {} }));
  expect(() => alone.write(1, undefined as never)).toThrow(TypeError);
});
