import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { SpoolEntry } from '../spool/spool';
import { WaitingTopics } from './waiting-topics';

const entry = (position: number, topic: string): SpoolEntry => ({
  position,
  bytes: 1,
  storedAt: 0,
  message: { id: String(position), topic, payload: Buffer.alloc(1), properties: {} },
});
const due = (topics: WaitingTopics) => {
  const positions: number[] = [];
  for (let next = topics.due; next; next = topics.due) {
    positions.push(next.position);
    topics.takeDue();
  }
  return positions;
};

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('tries the oldest of a topic after growing pauses, and lets the others follow in order', () => {
  const topics = new WaitingTopics('oldest-first', () => {});
  expect(topics.postpone(entry(2, 'a'))).toBe(500);
  expect(topics.postpone(entry(1, 'a'))).toBeUndefined();
  expect(topics.holds(entry(3, 'a'))).toBe(true);
  expect(topics.holds(entry(4, 'b'))).toBe(false);
  vi.advanceTimersByTime(500);
  expect(due(topics)).toEqual([1]);
  expect(topics.postpone(entry(1, 'a'))).toBe(1_000);
  vi.advanceTimersByTime(1_000);
  expect(due(topics)).toEqual([1]);
  topics.settled(entry(1, 'a'));
  expect(due(topics)).toEqual([2, 3]);
  expect(topics.holds(entry(5, 'a'))).toBe(false);
});

it('goes on when the message that was to be tried has left the spool', () => {
  const topics = new WaitingTopics('oldest-first', () => {});
  topics.postpone(entry(1, 'a'));
  topics.holds(entry(2, 'a'));
  vi.advanceTimersByTime(500);
  topics.forget(1);
  expect(due(topics)).toEqual([2]);
});

it('a topic whose messages have all left the spool waits no longer', () => {
  const topics = new WaitingTopics('oldest-first', () => {});
  topics.postpone(entry(1, 'a'));
  topics.holds(entry(2, 'a'));
  topics.forget(1);
  topics.forget(2);
  expect(topics.holds(entry(3, 'a'))).toBe(false);
  vi.advanceTimersByTime(60_000);
  expect(due(topics)).toEqual([]);
});
