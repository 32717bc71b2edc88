/** Bytes in order, fetched when they are needed. */
export class ByteReader {
  #buffer: Buffer;
  #at = 0;
  #consumed = 0;

  /**
   * @param more the next bytes, `atLeast` of them if there are so many; empty at the end.
   * @param limit how many bytes may be taken in all.
   */
  constructor(
    private readonly more: (atLeast: number) => Buffer,
    private readonly limit: number,
    private readonly error: (what: string) => Error,
  ) {
    this.#buffer = Buffer.alloc(0);
  }

  static over(buffer: Buffer, limit: number, error: (what: string) => Error): ByteReader {
    let rest = buffer;
    const more = () => {
      const next = rest;
      rest = Buffer.alloc(0);
      return next;
    };
    return new ByteReader(more, limit, error);
  }

  /** How many bytes were taken. */
  get position(): number {
    return this.#consumed;
  }

  /** The next `length` bytes; they stay valid. */
  take(length: number): Buffer {
    if (this.#consumed + length > this.limit)
      throw this.error(`has a pickle longer than ${this.limit} bytes`);
    this.#need(length);
    const bytes = this.#buffer.subarray(this.#at, this.#at + length);
    this.#at += length;
    this.#consumed += length;
    return bytes;
  }

  byte(): number {
    return this.take(1)[0];
  }

  /** The text up to the next line feed, which is taken too. */
  line(longest: number): string {
    const tooLong = () => this.error(`has a line longer than ${longest} bytes in its pickle`);
    for (let length = 0; ; ) {
      const end = this.#buffer.indexOf(10, this.#at + length);
      if (end - this.#at > longest) throw tooLong();
      if (end >= 0) {
        const text = this.take(end - this.#at).toString('utf8');
        this.take(1);
        return text;
      }
      length = this.#buffer.length - this.#at;
      if (length > longest) throw tooLong();
      this.#need(length + 1);
    }
  }

  #need(length: number): void {
    while (this.#buffer.length - this.#at < length) {
      const next = this.more(length - (this.#buffer.length - this.#at));
      if (next.length === 0) throw this.error('is cut short inside its pickle');
      const rest = this.#buffer.subarray(this.#at);
      this.#buffer = rest.length === 0 ? next : Buffer.concat([rest, next]);
      this.#at = 0;
    }
  }
}
