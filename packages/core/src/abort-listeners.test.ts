import { expect, it } from 'vitest';
import { onAbort } from './abort-listeners';

it('calls each listener once when the signal is aborted, but none that has left or that another takes away', () => {
  const controller = new AbortController();
  const called: number[] = [];
  const leaving: (() => void)[] = [];
  // So many that what is left of them moves on meanwhile.
  for (let number = 0; number < 2_000; number += 1) {
    const leave = onAbort(controller.signal, () => {
      called.push(number);
      leaving[number]!();
      if (number % 2 === 0) leaving[number + 1]!();
    });
    leaving.push(leave);
  }
  leaving[0]!();
  controller.abort();
  const even = Array.from({ length: 999 }, (_, index) => 2 * index + 2);
  expect(called).toEqual([1, ...even]);
});
