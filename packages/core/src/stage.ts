/** What a stage is told about the item in its hands. */
export interface StageContext {
  /** Aborted when the pipeline stops at once. */
  readonly signal: AbortSignal;
  /**
   * Keeps the item unacknowledged after this call returns, until the function that `hold()` gives back
   * is called: directly, when the item is of no more use, or by way of `combine()`.
   */
  readonly hold: () => () => void;
}

/** What a transform gives back: any number of outputs, none for an item that it filters out. */
export type Outputs<Output> =
  | Iterable<Output | Combined<Output>>
  | AsyncIterable<Output | Combined<Output>>
  | Promise<Iterable<Output | Combined<Output>>>;

/** Turns each item into none, one or many. */
export interface Transform<Input, Output> {
  /** The name in error messages. @default the class's name */
  readonly name?: string;
  /** How many items it works on at once. @default 1 */
  readonly concurrency?: number;
  /** Whether outputs leave in the order of their inputs. @default true */
  readonly ordered?: boolean;
  /** Prepares the stage (starts workers, loads files), so that what is wrong shows before the first item. */
  open?(): Promise<void>;
  /** Turns one item into none, one or many. A rejection stops the pipeline. */
  transform(item: Input, context: StageContext): Outputs<Output>;
  /**
   * No item has come for `idleMs`: what has been held back for long enough comes out. Called again after as
   * long, until an item comes; never while one is being worked on.
   */
  idle?(): Outputs<Output>;
  /** Milliseconds. @default 1000 */
  readonly idleMs?: number;
  /** The input has ended: what is still held back comes out now. */
  end?(): Outputs<Output>;
}

/** Takes each item; the last stage of a pipeline. */
export interface Writer<Input> {
  /** The name in error messages. @default the class's name */
  readonly name?: string;
  /** How many items it works on at once. @default 1 */
  readonly concurrency?: number;
  /** Prepares the stage, so that what is wrong shows before the first item. */
  open?(): Promise<void>;
  /** Resolves when the item is safe; then it is acknowledged to the source it came from. */
  write(item: Input, context: StageContext): Promise<unknown> | unknown;
  /** The input has ended. */
  end?(): Promise<unknown> | unknown;
}

/** Anything that can stand after the source of a pipeline. */
export type Stage<Input, Output> = Transform<Input, Output> | Writer<Input>;

/** An item that can be acknowledged to where it came from, such as a `Delivery`. */
export interface Acknowledgeable {
  /** Says that it is safe, and need not be delivered again. */
  ack(): void;
}

/** An output that was made of several held inputs; see `combine()`. */
export class Combined<Output> {
  constructor(
    /** What was made of them. */
    readonly value: Output,
    /** What `hold()` gave for each of them. */
    readonly releases: readonly (() => void)[],
  ) {}
}

/**
 * An output made of several inputs: when it is acknowledged, so are they all.
 * `releases` are what `context.hold()` gave for each of them.
 */
export function combine<Output>(value: Output, releases: readonly (() => void)[]): Combined<Output> {
  return new Combined(value, releases);
}

/** How a person would call this stage. */
export function nameOf(stage: { readonly name?: string }, fallback: string): string {
  if (stage.name) return stage.name;
  const className = stage.constructor?.name;
  return className && className !== 'Object' ? className : fallback;
}
