import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Indexed, SpoolIndex } from './spool-index';

it('is a list in order, with removal anywhere, whatever is added and removed', () => {
  const actions = fc.array(fc.oneof(fc.constant('add' as const), fc.nat(300)), { maxLength: 500 });
  fc.assert(
    fc.property(actions, fc.nat(400), (steps, from) => {
      const index = new SpoolIndex<Indexed>();
      let model: number[] = [];
      let position = 0;
      for (const step of steps) {
        if (step === 'add') {
          position += 1;
          index.add({ position, bytes: 1 });
          model.push(position);
        } else {
          const removed = index.remove(step);
          expect(removed?.position).toBe(model.includes(step) ? step : undefined);
          model = model.filter((other) => other !== step);
        }
      }
      expect(index.size).toBe(model.length);
      expect(index.oldest?.position).toBe(model[0]);
      expect(index.after(from, 7).map((item) => item.position)).toEqual(
        model.filter((other) => other > from).slice(0, 7),
      );
    }),
  );
});
