import { tmpdir, userInfo } from 'node:os';
import { basename, join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { add, multiply } from '../arithmetic.js';
import { type Call, CallQueue } from '../call_queue.js';
import {
  type CallOptions,
  type Communicator,
  DEFAULT_TIMEOUT_SECONDS,
  type NumericArray,
  type ReduceOptions,
} from '../communicator.js';
import type { World } from '../environment.js';
import { Mesh } from './mesh.js';
import { SharedMemory, slotBytes } from './shared_memory.js';

export interface LocalOptions {
  /** Where the ranks meet; derived from the run's id unless given. */
  folder?: string;
  timeoutSeconds?: number;
}

/** Elements that are summed at a time: two such pieces stay in a core's cache. */
const PIECE = 64 * 1024;

/**
 * Ranks of one machine, with nothing to install: sockets tell who has come, a file in memory per rank
 * carries the numbers. An all-reduce is a reduce-scatter and an all-gather: each rank sums its share of
 * every round over all ranks, in the order of the ranks, and the others copy the sum; so all end with the
 * same bits, and the work is divided.
 */
export class LocalCommunicator implements Communicator {
  readonly backend = 'local';
  readonly rank: number;
  readonly worldSize: number;
  readonly localRank: number;
  readonly #mesh: Mesh;
  readonly #memory: SharedMemory;
  readonly #slot: number;
  /** Bytes of a slot that hold one rank's share of a sum. */
  readonly #region: number;
  readonly #queue: CallQueue;
  /** Room for a piece of another rank's share, and of this rank's own. */
  readonly #scratch = new Float32Array(PIECE);
  readonly #own = new Float32Array(PIECE);

  private constructor(world: World, mesh: Mesh, memory: SharedMemory, slot: number, timeoutSeconds: number) {
    this.rank = world.rank;
    this.worldSize = world.worldSize;
    this.localRank = world.localRank;
    this.#mesh = mesh;
    this.#memory = memory;
    this.#slot = slot;
    this.#region = Math.floor(slot / world.worldSize / 64) * 64;
    this.#queue = new CallQueue(timeoutSeconds);
  }

  /** @throws DistributedError naming the ranks that did not come in time. */
  static async create(world: World, options: LocalOptions = {}): Promise<LocalCommunicator> {
    const timeoutSeconds = options.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
    const folder = options.folder ?? meetingFolder(world.runId);
    const memory = SharedMemory.create(basename(folder));
    const { rank, worldSize } = world;
    try {
      const offer = { path: memory.path, slot: slotBytes(worldSize) };
      const mesh = await Mesh.meet({ folder, rank, worldSize, memory: offer, timeoutSeconds });
      const offers = mesh.memories();
      memory.open(offers);
      const slot = Math.min(offer.slot, ...[...offers.values()].map((other) => other.slot));
      const communicator = new LocalCommunicator(world, mesh, memory, slot, timeoutSeconds);
      await communicator.barrier('all shared memories are open');
      memory.unlink();
      return communicator;
    } catch (error) {
      memory.close();
      throw error;
    }
  }

  allReduce(data: Float32Array, name: string, options?: ReduceOptions): Promise<void> {
    return this.#queue.add({ operation: 'allReduce', name, size: data.byteLength }, options, async (call) =>
      this.#sum(call, data, (await options?.scale) ?? 1),
    );
  }

  broadcast(data: NumericArray, root: number, name: string, options?: CallOptions): Promise<void> {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return this.#queue.add({ operation: 'broadcast', name, size: bytes.length }, options, (call) =>
      this.#copy(call, bytes, root),
    );
  }

  allGather<T>(value: T, name: string, options?: CallOptions): Promise<T[]> {
    return this.#queue.add({ operation: 'allGather', name, size: -1 }, options, async (call) => {
      this.#mesh.arrive(call, 0, serialize(value));
      const frames = await this.#mesh.others(call, 0);
      return Array.from({ length: this.worldSize }, (_, rank) =>
        rank === this.rank ? value : (deserialize(frames.get(rank)!.payload) as T),
      );
    });
  }

  barrier(name: string, options?: CallOptions): Promise<void> {
    return this.#queue.add({ operation: 'barrier', name, size: 0 }, options, async (call) => {
      this.#mesh.arrive(call, 0);
      await this.#mesh.others(call, 0);
    });
  }

  async close(): Promise<void> {
    await this.#queue.close();
    this.#mesh.close();
    this.#memory.close();
  }

  /**
   * Two phases a round: shares offered, sums offered. A rank's slot has a region for each rank's share,
   * always at the same place: in the next round's first phase the regions of others are written, which were
   * read before their owners came to this round's second phase, and so on.
   */
  async #sum(call: Call, data: Float32Array, scale: number): Promise<void> {
    const perRound = this.worldSize * Math.floor(this.#region / 4);
    let phase = 0;
    for (let at = 0; at < data.length || phase === 0; at += perRound) {
      const round = data.subarray(at, at + perRound);
      const share = shares(round, this.worldSize);
      for (let rank = 0; rank < this.worldSize; rank++) {
        if (rank !== this.rank) this.#memory.write(bytesOf(share(rank)), rank * this.#region);
      }
      this.#mesh.arrive(call, phase);
      await this.#mesh.others(call, phase++);
      this.#addOthers(share(this.rank), scale);
      this.#memory.write(bytesOf(share(this.rank)), this.rank * this.#region);
      this.#mesh.arrive(call, phase);
      await this.#mesh.others(call, phase++);
      for (let rank = 0; rank < this.worldSize; rank++) {
        if (rank !== this.rank) this.#memory.read(rank, bytesOf(share(rank)), rank * this.#region);
      }
    }
  }

  /** Sums a share over all ranks, lowest rank first, a piece that fits the cache at a time. */
  #addOthers(share: Float32Array, scale: number): void {
    const region = this.rank * this.#region;
    for (let at = 0; at < share.length; at += PIECE) {
      const sum = share.subarray(at, at + PIECE);
      const other = this.#scratch.subarray(0, sum.length);
      const own = this.#own.subarray(0, sum.length);
      const read = (rank: number, into: Float32Array) =>
        this.#memory.read(rank, bytesOf(into), region + at * 4);
      if (this.worldSize === 2) {
        // Of two numbers the order is nothing.
        read(1 - this.rank, other);
        add(sum, other);
      } else {
        own.set(sum);
        for (let rank = 0; rank < this.worldSize; rank++) {
          if (rank !== this.rank) read(rank, rank === 0 ? sum : other);
          if (rank > 0) add(sum, rank === this.rank ? own : other);
        }
      }
      multiply(sum, scale);
    }
  }

  /** All come, as the slot may still be read for the call before; then two phases a round: offered, taken. */
  async #copy(call: Call, bytes: Uint8Array, root: number): Promise<void> {
    this.#mesh.arrive(call, 0);
    await this.#mesh.others(call, 0);
    let phase = 1;
    for (let at = 0; at < bytes.length; at += this.#slot) {
      const round = bytes.subarray(at, at + this.#slot);
      if (this.rank === root) this.#memory.write(round, 0);
      this.#mesh.arrive(call, phase);
      await this.#mesh.others(call, phase++);
      if (this.rank !== root) this.#memory.read(root, round, 0);
      this.#mesh.arrive(call, phase);
      await this.#mesh.others(call, phase++);
    }
  }
}

const bytesOf = (array: Float32Array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Divides a round over the ranks as evenly as can be. */
function shares(round: Float32Array, worldSize: number): (rank: number) => Float32Array {
  const edge = (rank: number) => Math.floor((round.length * rank) / worldSize);
  return (rank) => round.subarray(edge(rank), edge(rank + 1));
}

/** Where the ranks of a run meet. */
export function meetingFolder(runId: string): string {
  const safe = runId.replaceAll(/[^A-Za-z0-9.-]+/g, '_').slice(-40);
  return join(socketFolder(), `lavis-${userInfo().uid}-${safe}`);
}

/** The folder for temporary files, unless it is too long for the path of a socket. */
export const socketFolder = () => (tmpdir().length > 50 ? '/tmp' : tmpdir());
