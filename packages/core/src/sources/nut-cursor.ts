/** Reads numbers of variable length: seven bits a byte, the highest first. */
export class NutCursor {
  /** More was read than there is; what was read is of no use. */
  isShort = false;

  constructor(
    private readonly source: Buffer,
    public at: number,
  ) {}

  unsigned(): number {
    for (let value = 0; this.at < this.source.length; ) {
      const byte = this.source[this.at]!;
      this.at += 1;
      value = value * 128 + (byte & 0x7f);
      if (byte < 0x80) return value;
    }
    this.isShort = true;
    return 0;
  }

  /** 0, 1, -1, 2, -2, … are 0, 1, 2, 3, 4, … */
  signed(): number {
    const value = this.unsigned();
    return value % 2 === 1 ? (value + 1) / 2 : -value / 2;
  }

  bytes(length: number): Buffer {
    const start = this.at;
    this.skip(length);
    return Buffer.from(this.source.subarray(start, this.at));
  }

  skip(length: number): void {
    this.at += length;
    if (this.at > this.source.length) this.isShort = true;
  }
}
