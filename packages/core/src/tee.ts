import { type AnyStage, assertChain } from './chain';
import type { StageContext, Transform, Writer } from './stage';

/** A chain of stages that takes items of type `Input`; made by `branch()`. */
export interface Branch<Input> {
  /** Its stages in order; the last one is a writer. */
  readonly stages: readonly AnyStage[];
  /** Carries the type only. */
  readonly accepts?: (item: Input) => void;
}

/** One way out of a `tee()`: transforms and then a writer, as in `pipeline()`. */
export function branch<A>(writer: Writer<A>): Branch<A>;
export function branch<A, B>(first: Transform<A, B>, writer: Writer<B>): Branch<A>;
export function branch<A, B, C>(
  first: Transform<A, B>,
  second: Transform<B, C>,
  writer: Writer<C>,
): Branch<A>;
export function branch<A, B, C, D>(
  first: Transform<A, B>,
  second: Transform<B, C>,
  third: Transform<C, D>,
  writer: Writer<D>,
): Branch<A>;
export function branch(...stages: AnyStage[]): Branch<never> {
  assertChain(stages, 'branch()');
  return { stages };
}

/**
 * Sends each item to several branches; the last stage of a `pipeline()`. The slowest branch sets the
 * pace, and an item is acknowledged when every branch is done with it.
 */
export function tee<Input>(...branches: Branch<Input>[]): Tee<Input> {
  if (branches.length === 0) throw new TypeError('tee() needs at least one branch.');
  return new Tee(branches.map(({ stages }) => stages));
}

/** What `tee()` makes; the pipeline runs its branches, so that acknowledgement waits for all of them. */
export class Tee<Input> implements Writer<Input> {
  readonly name = 'tee';
  readonly branches: readonly (readonly AnyStage[])[];

  constructor(branches: readonly (readonly AnyStage[])[]) {
    this.branches = branches;
  }

  write(_item: Input, _context: StageContext): never {
    throw new TypeError('tee() works only as the last stage of a pipeline() or of a branch().');
  }
}
