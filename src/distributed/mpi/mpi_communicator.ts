import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { deserialize, serialize } from 'node:v8';
import { DistributedError } from '../../common/errors.js';
import type { World } from '../../common/world.js';
import { multiply, plainArrays } from '../arithmetic.js';
import { type Call, CallQueue, describe, ranksText, sameCall } from '../call_queue.js';
import type { CallOptions, Communicator, NumericArray, ReduceOptions } from '../communicator.js';
import { loadMpi, type Mpi, type MpiRequest } from './library.js';

/** Bytes of one MPI operation: far below its limit of 2^31 elements, and a deadline is looked at between. */
const ROUND_BYTES = 16 * 1024 * 1024;
const HEADER_BYTES = 1024;
const ARRIVAL = 1;
const VERDICT = 2;
/** How often rank 0 tells those who wait for whom. */
const NEWS_MS = 1000;

interface Arrival {
  readonly operation: Call['operation'];
  readonly name: string;
  readonly size: number;
  /** Of what this rank gives to an all-gather. */
  readonly bytes: number;
}
type Verdict = { go: number[] } | { waitingFor: number[] } | { failed: string; found: string };

/**
 * Ranks on any number of machines, through libmpi. Before any data moves, every rank tells rank 0 which
 * call it is at; rank 0 lets all go, or tells all what differs or who is missing. Everything is
 * nonblocking and polled, so that a deadline holds.
 */
export class MpiCommunicator implements Communicator {
  readonly backend = 'mpi';
  readonly rank: number;
  readonly worldSize: number;
  readonly localRank: number;
  readonly #mpi: Mpi;
  readonly #queue: CallQueue;
  /** Messages under way: MPI reads and writes their bytes, so nothing else may free them. */
  #underWay: { request: MpiRequest; bytes: Uint8Array }[] = [];

  private constructor(mpi: Mpi, world: World, timeoutSeconds: number) {
    this.#mpi = mpi;
    this.rank = mpi.rank();
    this.worldSize = mpi.size();
    this.localRank = world.localRank;
    this.#queue = new CallQueue(timeoutSeconds);
  }

  /** @throws DistributedError when MPI is not installed, or did not start these processes. */
  static async create(world: World, timeoutSeconds: number): Promise<MpiCommunicator> {
    const mpi = await loadMpi(world.launcher);
    mpi.init();
    if (mpi.size() !== world.worldSize) {
      throw new DistributedError('MPI and the environment disagree about the number of ranks', {
        found: `${mpi.description} has ${mpi.size()}, the environment ${world.worldSize} (${world.launcher})`,
        help: 'start the workers with mpirun, or srun --mpi=pmix',
      });
    }
    const communicator = new MpiCommunicator(mpi, world, timeoutSeconds);
    await communicator.barrier('all ranks have started');
    return communicator;
  }

  arrays(lengths: readonly number[]): Float32Array<ArrayBuffer>[] {
    return plainArrays(lengths);
  }

  allReduce(data: Float32Array, name: string, options?: ReduceOptions): Promise<void> {
    return this.#queue.add({ operation: 'allReduce', name, size: data.byteLength }, options, async (call) => {
      await options?.ready;
      const factors = await options?.factors;
      await this.#meet(call);
      for (let at = 0; at < data.length; at += ROUND_BYTES / 4) {
        const request = this.#mpi.request();
        const round = data.subarray(at, at + ROUND_BYTES / 4);
        if (factors) multiply(round, factors[this.rank]);
        this.#mpi.iallreduce(round, request);
        await this.#finish(call, [request]);
      }
    });
  }

  broadcast(data: NumericArray, root: number, name: string, options?: CallOptions): Promise<void> {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return this.#queue.add({ operation: 'broadcast', name, size: bytes.length }, options, async (call) => {
      await this.#meet(call);
      for (let at = 0; at < bytes.length; at += ROUND_BYTES) {
        const request = this.#mpi.request();
        this.#mpi.ibcast(bytes.subarray(at, at + ROUND_BYTES), root, request);
        await this.#finish(call, [request]);
      }
    });
  }

  allGather<T>(value: T | Promise<T>, name: string, options?: CallOptions): Promise<T[]> {
    return this.#queue.add({ operation: 'allGather', name, size: -1 }, options, async (call) => {
      const own = await value;
      const mine = serialize(own);
      const sizes = await this.#meet(call, mine.length);
      const parts = sizes.map((size, rank) => {
        const part = new Uint8Array(new ArrayBuffer(size));
        if (rank === this.rank) part.set(mine);
        return part;
      });
      const requests = parts.map((part, root) => {
        const request = this.#mpi.request();
        this.#mpi.ibcast(part, root, request);
        return request;
      });
      await this.#finish(call, requests);
      return parts.map((part, rank) => (rank === this.rank ? own : (deserialize(part) as T)));
    });
  }

  barrier(name: string, options?: CallOptions): Promise<void> {
    return this.#queue.add({ operation: 'barrier', name, size: 0 }, options, async (call) => {
      await this.#meet(call);
    });
  }

  async close(): Promise<void> {
    // After a fault MPI_Finalize would wait for ranks that never come; mpirun ends them.
    if (await this.#queue.close()) this.#mpi.finalize();
  }

  /** Waits until all ranks are at this call. @returns each rank's `bytes`. */
  async #meet(call: Call, bytes = 0): Promise<number[]> {
    const { operation, name, size } = call;
    const arrival: Arrival = { operation, name: name.slice(0, 200), size, bytes };
    this.#underWay = this.#underWay.filter(({ request }) => !this.#mpi.test(request));
    if (this.worldSize === 1) return [bytes];
    return this.rank === 0 ? this.#preside(call, arrival) : this.#attend(call, arrival);
  }

  /** Rank 0: hears everyone, then tells everyone. */
  async #preside(call: Call, own: Arrival): Promise<number[]> {
    const others = Array.from({ length: this.worldSize - 1 }, (_, i) => i + 1);
    const buffers = new Map(others.map((rank) => [rank, message(HEADER_BYTES)]));
    const pending = new Map(
      others.map((rank) => {
        const request = this.#mpi.request();
        this.#receive(buffers.get(rank)!, rank, ARRIVAL, request);
        return [rank, request];
      }),
    );
    let news = performance.now() + NEWS_MS;
    const everyone = await poll(call.deadline, 'patient', () => {
      for (const [rank, request] of pending) if (this.#mpi.test(request)) pending.delete(rank);
      if (pending.size > 0 && performance.now() > news) {
        news = performance.now() + NEWS_MS;
        this.#tell(
          others.filter((rank) => !pending.has(rank)),
          { waitingFor: [...pending.keys()] },
        );
      }
      return pending.size === 0;
    });
    if (!everyone) {
      const error = this.#late(call, [...pending.keys()]);
      await this.#tellAndWait(
        others.filter((rank) => !pending.has(rank)),
        { waitingFor: [...pending.keys()] },
      );
      throw error;
    }
    const arrivals = [own, ...others.map((rank) => unpack<Arrival>(buffers.get(rank)!))];
    if (!arrivals.every((arrival) => sameCall(arrival, own))) {
      const found = arrivals.map((arrival, rank) => `rank ${rank}: ${describe(arrival)}`);
      const verdict = { failed: 'the ranks are at different calls', found: found.slice(0, 8).join('\n') };
      await this.#tellAndWait(others, verdict);
      throw this.#fault(call, verdict);
    }
    const sizes = arrivals.map((arrival) => arrival.bytes);
    await this.#tellAndWait(others, { go: sizes });
    return sizes;
  }

  /** The others: tell rank 0, hear its verdict. */
  async #attend(call: Call, arrival: Arrival): Promise<number[]> {
    this.#send(pack(arrival, HEADER_BYTES), 0, ARRIVAL);
    let missing: number[] = [0];
    for (;;) {
      const buffer = message(verdictBytes(this.worldSize));
      const request = this.#mpi.request();
      this.#receive(buffer, 0, VERDICT, request);
      const heard = await poll(call.deadline, 'patient', () => this.#mpi.test(request));
      if (!heard) throw this.#late(call, missing);
      const verdict = unpack<Verdict>(buffer);
      if ('go' in verdict) return verdict.go;
      if ('failed' in verdict) throw this.#fault(call, verdict);
      missing = verdict.waitingFor;
    }
  }

  #tell(ranks: readonly number[], verdict: Verdict): MpiRequest[] {
    const bytes = pack(verdict, verdictBytes(this.worldSize));
    return ranks.map((rank) => this.#send(bytes, rank, VERDICT));
  }

  #send(bytes: Uint8Array, to: number, tag: number): MpiRequest {
    const request = this.#mpi.request();
    this.#mpi.isend(bytes, to, tag, request);
    this.#underWay.push({ request, bytes });
    return request;
  }

  #receive(bytes: Uint8Array, from: number, tag: number, request: MpiRequest): void {
    this.#mpi.irecv(bytes, from, tag, request);
    this.#underWay.push({ request, bytes });
  }

  async #tellAndWait(ranks: readonly number[], verdict: Verdict): Promise<void> {
    const requests = this.#tell(ranks, verdict);
    await poll(performance.now() + 10_000, 'busy', () => requests.every((r) => this.#mpi.test(r)));
  }

  /** Drives the operations of a call that all ranks are at. */
  async #finish(call: Call, requests: MpiRequest[]): Promise<void> {
    const done = await poll(call.deadline, 'busy', () =>
      requests.every((request) => this.#mpi.test(request)),
    );
    if (done) return;
    throw new DistributedError(`${describe(call)} was not done in ${call.timeoutSeconds} s`, {
      where: this.#where(call),
      found: 'all ranks had come; the data did not move on',
      help: 'look at the network and at the ranks that stopped; run.dist_timeout sets the limit',
    });
  }

  #late(call: Call, ranks: number[]): DistributedError {
    return new DistributedError(
      `${ranksText(ranks)} did not come to ${describe(call)} in ${call.timeoutSeconds} s`,
      {
        where: this.#where(call),
        help: 'a longer run.dist_timeout (seconds) if that rank only needs more time',
      },
    );
  }

  #fault(call: Call, { failed, found }: { failed: string; found: string }): DistributedError {
    return new DistributedError(failed, {
      where: this.#where(call),
      found,
      allowed: 'the same operation, name and size on every rank',
    });
  }

  #where(call: Call): string {
    return `rank ${this.rank} of ${this.worldSize}, call ${call.sequence}`;
  }
}

const verdictBytes = (worldSize: number) => 4096 + 20 * worldSize;
const message = (bytes: number) => new Uint8Array(new ArrayBuffer(bytes));

function pack(value: unknown, bytes: number): Uint8Array {
  const packed = message(bytes);
  packed.set(Buffer.from(JSON.stringify(value)).subarray(0, bytes));
  return packed;
}

function unpack<T>(packed: Uint8Array): T {
  const end = packed.indexOf(0);
  return JSON.parse(Buffer.from(packed).toString('utf8', 0, end < 0 ? packed.length : end)) as T;
}

/**
 * Tries until it is done or the deadline has passed. MPI moves data only while it is asked, so a busy wait
 * asks all the time; a patient one, for ranks that may take long to come, soon asks every millisecond.
 */
async function poll(deadline: number, manner: 'busy' | 'patient', done: () => boolean): Promise<boolean> {
  const start = performance.now();
  for (;;) {
    for (let i = 0; i < 200; i++) if (done()) return true;
    const now = performance.now();
    if (now > deadline) return done();
    if (manner === 'patient' && now - start > 5) await sleep(1);
    else await setImmediate();
  }
}
