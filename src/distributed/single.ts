import { multiply, plainArrays } from './arithmetic.js';
import type { Communicator, ReduceOptions } from './communicator.js';

/** A world of one rank: every operation is done as soon as it is asked for. */
export class SingleCommunicator implements Communicator {
  readonly backend = 'single';
  readonly rank = 0;
  readonly worldSize = 1;
  readonly localRank = 0;

  arrays(lengths: readonly number[]) {
    return plainArrays(lengths);
  }
  async allReduce(data: Float32Array, _name: string, { factors, ready }: ReduceOptions = {}) {
    await ready;
    if (factors) multiply(data, (await factors)[0]);
  }
  async broadcast() {}
  async allGather<T>(value: T | Promise<T>) {
    return [await value];
  }
  async barrier() {}
  async close() {}
}
