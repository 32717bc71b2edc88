/** Two arrays that steps from image to image fill in turn: fresh ones cost page faults and collections. */
export class Scratch {
  readonly #arrays = [new Uint8Array(0), new Uint8Array(0)];

  /** As many bytes as `used` has, of any contents, and not `used` itself; the call after the next takes them again. */
  besides(used: Uint8Array): Uint8Array {
    const turn = this.#arrays[0] === used ? 1 : 0;
    if (this.#arrays[turn].length !== used.length) this.#arrays[turn] = new Uint8Array(used.length);
    return this.#arrays[turn];
  }
}
