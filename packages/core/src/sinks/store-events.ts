/** News of a store. */
export interface StoreEvents {
  /** What a person should know of the place: what it cannot do, and what is done instead. */
  notice: [event: { readonly message: string }];
  /** An object was removed, by the rules that the store was given. */
  removed: [event: RemovedEvent];
}

export interface RemovedEvent {
  readonly key: string;
  readonly bytes: number;
  /** `age` and `size`: more than it was told to keep; `disk`: the disk was full. */
  readonly reason: 'age' | 'size' | 'disk';
}
