/** Which of the blocks of a file are taken. */
export class BlockMap {
  readonly #taken: Uint8Array;

  /** @param blocks how many there are */
  constructor(blocks: number) {
    this.#taken = new Uint8Array(blocks);
  }

  /** Takes so many that follow each other, the first that are free; gives the first of them, undefined where there are none. */
  take(blocks: number): number | undefined {
    for (let first = this.#taken.indexOf(0); first !== -1; ) {
      const next = this.#taken.indexOf(1, first);
      const end = next === -1 ? this.#taken.length : next;
      if (end - first >= blocks) {
        this.occupy(first, blocks);
        return first;
      }
      first = next === -1 ? -1 : this.#taken.indexOf(0, end);
    }
    return undefined;
  }

  /** They are taken, whatever they were. */
  occupy(first: number, blocks: number): void {
    this.#taken.fill(1, first, first + blocks);
  }

  /** They are free. */
  give(first: number, blocks: number): void {
    this.#taken.fill(0, first, first + blocks);
  }
}
