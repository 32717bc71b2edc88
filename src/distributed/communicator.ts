import { multiply, plainArrays } from './arithmetic.js';

/** How ranks talk: none at all, Unix sockets and shared memory on one machine, or MPI. */
export type Backend = 'single' | 'local' | 'mpi';

export interface CallOptions {
  /** How long to wait for the other ranks; `run.dist_timeout` by default. */
  timeoutSeconds?: number;
}

export interface ReduceOptions extends CallOptions {
  /** What each rank's numbers are multiplied by, the same list on every rank; may rest on calls made before. */
  factors?: Promise<readonly number[]>;
  /** When the array will hold this rank's numbers; the call keeps its turn until then. */
  ready?: Promise<void>;
}

export type NumericArray =
  | Float32Array
  | Float64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

/**
 * Collective operations over the ranks of a run. Every rank makes the same calls in the same order; calls
 * made without awaiting the one before are queued. Each has a name, which is compared over the ranks.
 * @throws DistributedError (all operations) naming the operation and the ranks that did not come in time,
 *   ended, or are at another call. The communicator cannot be used after that.
 */
export interface Communicator {
  readonly backend: Backend;
  readonly rank: number;
  readonly worldSize: number;
  /** The rank among those of this machine: which GPU to take. */
  readonly localRank: number;
  /** Arrays of zeros that `allReduce` sums fastest. They hold as long as the process. */
  arrays(lengths: readonly number[]): Float32Array<ArrayBuffer>[];
  /** Sums over all ranks, each times its factor, in place; every rank ends with the same bits. */
  allReduce(data: Float32Array, name: string, options?: ReduceOptions): Promise<void>;
  /** Copies the root's numbers to every rank, in place. */
  broadcast(data: NumericArray, root: number, name: string, options?: CallOptions): Promise<void>;
  /**
   * Every rank's value, by rank; anything that a structured clone can hold. A value that is still to come keeps its
   * turn among the calls until then.
   */
  allGather<T>(value: T | Promise<T>, name: string, options?: CallOptions): Promise<T[]>;
  /** Returns when every rank has come. */
  barrier(name: string, options?: CallOptions): Promise<void>;
  /** Says goodbye; to be called on every rank at the end. */
  close(): Promise<void>;
}

export const DEFAULT_TIMEOUT_SECONDS = 600;

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
