/** A message between two ranks: a small header, and bytes. */
export interface Frame<H> {
  readonly header: H;
  readonly payload: Uint8Array;
}

/** [bytes that follow: u32][header bytes: u32][header: JSON][payload] */
export function encodeFrame(header: unknown, payload?: Uint8Array): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const bytes = Buffer.allocUnsafe(8 + json.length + (payload?.length ?? 0));
  bytes.writeUInt32LE(bytes.length - 4, 0);
  bytes.writeUInt32LE(json.length, 4);
  json.copy(bytes, 8);
  if (payload) bytes.set(payload, 8 + json.length);
  return bytes;
}

/** Puts a stream's chunks together to frames. */
export class FrameReader<H> {
  #chunks: Buffer[] = [];
  #length = 0;

  /** @returns the frames that `chunk` completes. */
  push(chunk: Buffer): Frame<H>[] {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    const frames: Frame<H>[] = [];
    for (;;) {
      if (this.#length < 4) return frames;
      if (this.#chunks[0].length < 4) this.#chunks = [Buffer.concat(this.#chunks)];
      const end = 4 + this.#chunks[0].readUInt32LE(0);
      if (this.#length < end) return frames;
      const all = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
      const payloadAt = 8 + all.readUInt32LE(4);
      frames.push({
        header: JSON.parse(all.toString('utf8', 8, payloadAt)) as H,
        payload: all.subarray(payloadAt, end),
      });
      this.#chunks = end === all.length ? [] : [all.subarray(end)];
      this.#length -= end;
    }
  }
}
