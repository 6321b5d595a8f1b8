import { expect, test } from 'vitest';
import { Ticket } from './ticket';

test('settles once everything that was held is released', () => {
  let settled = 0;
  const ticket = new Ticket(() => {
    settled += 1;
  });
  ticket.hold();
  ticket.release();
  expect(settled).toBe(0);
  ticket.release();
  expect(settled).toBe(1);
});

test('acknowledges an item that can be acknowledged, and leaves any other in peace', () => {
  let acknowledged = 0;
  const item = { ack: () => (acknowledged += 1) };
  Ticket.for(item).release();
  expect(acknowledged).toBe(1);
  for (const other of [undefined, null, 1, 'text', {}, { ack: true }]) Ticket.for(other).release();
});
