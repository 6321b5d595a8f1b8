import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RelayWorld } from '../../test/relay-world';
import { ReceiptLedger } from './receipt-ledger';

const RULES = { maximumMessages: 3, resendAfterMs: 10_000, probeAfterMs: 15_000 };
const receipt = (id: string) => ({ id, sha256: id.repeat(64).slice(0, 64) });
const ledgerWith = (...ids: string[]) => {
  const ledger = new ReceiptLedger(RULES);
  for (const [index, id] of ids.entries()) {
    ledger.sent(index + 1, receipt(id), index * 1_000);
    ledger.taken(index + 1);
  }
  return ledger;
};

describe('ReceiptLedger', () => {
  it('has room for so many, and again when a receipt is in', () => {
    const ledger = ledgerWith('a', 'b', 'c');
    expect(ledger.hasRoom).toBe(false);
    expect(ledger.receipt(receipt('b'), 5_000)).toEqual([2]);
    expect(ledger.hasRoom).toBe(true);
    expect(ledger.receipt(receipt('b'), 5_000)).toEqual([]);
  });

  it('takes a receipt without id for all of these bytes, and one with id for that message only', () => {
    const ledger = new ReceiptLedger(RULES);
    const { sha256 } = receipt('a');
    ledger.sent(1, { id: 'x', sha256 }, 0);
    ledger.sent(2, { id: 'y', sha256 }, 0);
    expect(ledger.receipt({ id: 'y', sha256 }, 0)).toEqual([2]);
    expect(ledger.receipt({ id: 'z', sha256 }, 0)).toEqual([]);
    expect(ledger.receipt({ id: 'x', sha256: receipt('b').sha256 }, 0)).toEqual([]);
    expect(ledger.receipt({ sha256 }, 0)).toEqual([1]);
  });

  it('sends again what others have overtaken, later each time', () => {
    const ledger = ledgerWith('a');
    ledger.sent(2, receipt('b'), 9_999);
    ledger.receipt(receipt('b'), 10_500);
    expect(ledger.due(11_000)).toEqual([]);
    ledger.sent(3, receipt('c'), 10_000);
    ledger.receipt(receipt('c'), 11_000);
    expect(ledger.due(11_000)).toEqual([1]);
    ledger.sent(1, receipt('a'), 11_000);
    ledger.taken(1);
    expect(ledger.due(11_000)).toEqual([]);
    ledger.sent(4, receipt('d'), 30_999);
    ledger.receipt(receipt('d'), 31_000);
    expect(ledger.due(31_000)).toEqual([]);
    ledger.sent(5, receipt('e'), 31_000);
    ledger.receipt(receipt('e'), 31_000);
    expect(ledger.due(31_000)).toEqual([1]);
  });

  it('asks with the oldest alone while nothing comes back, less and less often', () => {
    const ledger = ledgerWith('a', 'b', 'c');
    const asked: [number, number][] = [];
    for (let now = 0; now < 200_000; now += 500) {
      for (const position of ledger.due(now)) {
        asked.push([now / 1_000, position]);
        ledger.sent(position, receipt('abc'[position - 1]!), now);
        ledger.taken(position);
      }
    }
    expect(asked).toEqual([
      [15, 1],
      [45, 2],
      [105, 3],
      [165, 1],
    ]);
    expect(ledger.unansweredProbes).toBe(4);
    // The answer to one is the sign that the others are lost.
    expect(ledger.receipt(receipt('a'), 166_000)).toEqual([1]);
    expect(ledger.due(166_000)).toEqual([2, 3]);
    expect(ledger.unansweredProbes).toBe(0);
  });

  it('counts as never sent what was not acknowledged when the link went, but for what was before', () => {
    const ledger = ledgerWith('a', 'b');
    ledger.sent(1, receipt('a'), 20_000);
    ledger.sent(3, receipt('c'), 20_000);
    ledger.lost();
    expect([1, 2, 3].map((position) => ledger.has(position))).toEqual([true, true, false]);
  });

  const faults = fc.array(
    fc.record({
      what: fc.constantFrom(...RelayWorld.moves),
      where: fc.nat(20),
    }),
    { maxLength: 120, size: 'max' },
  );
  it.each([
    ['with properties', false],
    ['where properties are taken off (MQTT 3.1.1)', true],
  ])('model: nothing leaves the spool that is not stored, and everything is in the end, %s', (_, strips) => {
    fc.assert(
      fc.property(faults, (moves) => {
        const world = new RelayWorld({ ...RULES, maximumMessages: 5 }, strips);
        for (const { what, where } of moves) {
          world.move(what, where);
          expect(world.problem).toBeUndefined();
        }
        world.calm();
        expect(world.problem).toBeUndefined();
        expect(world.missing).toEqual([]);
        expect(world.spooled).toBe(0);
      }),
      { numRuns: 1_000 },
    );
  });
});
