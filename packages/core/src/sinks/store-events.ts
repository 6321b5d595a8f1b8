/** News of a store. */
export interface StoreEvents {
  /** What a person should know of the place: what it cannot do, and what is done instead. */
  notice: [event: { readonly message: string }];
  /** An object was removed, by the rules that the store was given. */
  removed: [event: RemovedEvent];
}

/** An object that the store has removed by its rules of retention. */
export interface RemovedEvent {
  /** Where it was. */
  readonly key: string;
  /** Its size. */
  readonly bytes: number;
  /** `age` and `size`: more than it was told to keep; `disk`: the disk was full. */
  readonly reason: 'age' | 'size' | 'disk';
}
