import { tmpdir, userInfo } from 'node:os';
import { basename, join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import type { World } from '../../common/world.js';
import { weightedSum } from '../arithmetic.js';
import { type Call, CallQueue } from '../call_queue.js';
import {
  type CallOptions,
  type Communicator,
  DEFAULT_TIMEOUT_SECONDS,
  type NumericArray,
  type ReduceOptions,
} from '../communicator.js';
import { findMapping } from './memory_file.js';
import { Mesh } from './mesh.js';
import { type ArrayPlace, SharedArrays } from './shared_arrays.js';
import { SharedMemory, slotBytes } from './shared_memory.js';

export interface LocalOptions {
  /** Where the ranks meet; derived from the run's id by default. */
  folder?: string;
  timeoutSeconds?: number;
}

/**
 * Ranks of one machine, with nothing to install: sockets tell who has come, files in memory carry the
 * numbers. An all-reduce is a reduce-scatter and an all-gather: each rank sums its share over all ranks, in
 * the order of the ranks, and the others copy the sum; so all end with the same bits, and the work is
 * divided. Shared arrays are read where they are; others pass, a round at a time, through slots.
 */
export class LocalCommunicator implements Communicator {
  readonly backend = 'local';
  readonly rank: number;
  readonly worldSize: number;
  readonly localRank: number;
  readonly #mesh: Mesh;
  readonly #memory: SharedMemory;
  readonly #arrays: SharedArrays;
  readonly #slot: number;
  /** Bytes of a slot that hold one rank's share of a sum. */
  readonly #region: number;
  readonly #queue: CallQueue;

  private constructor(
    world: World,
    mesh: Mesh,
    memory: SharedMemory,
    arrays: SharedArrays,
    slot: number,
    timeoutSeconds: number,
  ) {
    this.rank = world.rank;
    this.worldSize = world.worldSize;
    this.localRank = world.localRank;
    this.#mesh = mesh;
    this.#memory = memory;
    this.#arrays = arrays;
    this.#slot = slot;
    this.#region = Math.floor(slot / world.worldSize / 64) * 64;
    this.#queue = new CallQueue(timeoutSeconds);
  }

  /** @throws DistributedError naming the ranks that did not come in time. */
  static async create(world: World, options: LocalOptions = {}): Promise<LocalCommunicator> {
    const timeoutSeconds = options.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
    const folder = options.folder ?? meetingFolder(world.runId);
    const { rank, worldSize } = world;
    const offered = slotBytes(worldSize);
    const mapFile = await findMapping(process.env);
    const memory = new SharedMemory(basename(folder), offered, mapFile);
    let mesh: Mesh | undefined;
    try {
      const offer = { path: memory.path, slot: offered };
      mesh = await Mesh.meet({ folder, rank, worldSize, memory: offer, timeoutSeconds });
      const offers = mesh.memories();
      const slot = Math.min(offered, ...[...offers.values()].map((other) => other.slot));
      memory.open(offers, slot);
      const arrays = new SharedArrays(basename(folder), worldSize, mapFile);
      const communicator = new LocalCommunicator(world, mesh, memory, arrays, slot, timeoutSeconds);
      await communicator.barrier('all shared memories are open');
      memory.unlink();
      return communicator;
    } catch (error) {
      mesh?.close(); // the others learn of it at once, not when their time is over
      memory.close();
      throw error;
    }
  }

  arrays(lengths: readonly number[]): Float32Array<ArrayBuffer>[] {
    return this.#arrays.allocate(lengths);
  }

  allReduce(data: Float32Array, name: string, options?: ReduceOptions): Promise<void> {
    const what = { operation: 'allReduce', name, size: data.byteLength } as const;
    return this.#queue.add(what, options, async (call) => {
      await options?.ready;
      const factors = (await options?.factors) ?? new Array<number>(this.worldSize).fill(1);
      const place = this.#arrays.placeOf(data);
      this.#mesh.arrive(call, 0, serialize(place));
      const frames = await this.#mesh.others(call, 0);
      const places = new Map<number, ArrayPlace>();
      for (const [rank, { payload }] of frames) {
        const other = deserialize(payload) as ArrayPlace | undefined;
        if (other) places.set(rank, other);
      }
      // What holds on one rank holds on all: each hears the same of every rank.
      if (place && places.size === this.worldSize - 1) await this.#sumInPlace(call, data, places, factors);
      else await this.#sumThroughSlots(call, data, factors);
    });
  }

  broadcast(data: NumericArray, root: number, name: string, options?: CallOptions): Promise<void> {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return this.#queue.add({ operation: 'broadcast', name, size: bytes.length }, options, (call) =>
      this.#copy(call, bytes, root),
    );
  }

  allGather<T>(value: T | Promise<T>, name: string, options?: CallOptions): Promise<T[]> {
    return this.#queue.add({ operation: 'allGather', name, size: -1 }, options, async (call) => {
      const own = await value;
      this.#mesh.arrive(call, 0, serialize(own));
      const frames = await this.#mesh.others(call, 0);
      return Array.from({ length: this.worldSize }, (_, rank) =>
        rank === this.rank ? own : (deserialize(frames.get(rank)!.payload) as T),
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
    this.#arrays.close();
  }

  /**
   * Two phases a round: shares offered, sums offered. A rank's slot has a region for each rank's share,
   * always at the same place: in the next round's first phase the regions of others are written, which were
   * read before their owners came to this round's second phase, and so on.
   */
  async #sumThroughSlots(call: Call, data: Float32Array, factors: readonly number[]): Promise<void> {
    const perRound = this.worldSize * Math.floor(this.#region / 4);
    let phase = 1;
    for (let at = 0; at < data.length; at += perRound) {
      const round = data.subarray(at, at + perRound);
      const share = shares(round, this.worldSize);
      for (let rank = 0; rank < this.worldSize; rank++) {
        if (rank !== this.rank) this.#memory.write(bytesOf(share(rank)), rank * this.#region);
      }
      this.#mesh.arrive(call, phase);
      await this.#mesh.others(call, phase++);
      const region = this.rank * this.#region;
      this.#sumShare(share(this.rank), factors, (rank, into, from) =>
        this.#memory.read(rank, bytesOf(into), region + from * 4),
      );
      this.#memory.write(bytesOf(share(this.rank)), region);
      this.#mesh.arrive(call, phase);
      await this.#mesh.others(call, phase++);
      for (let rank = 0; rank < this.worldSize; rank++) {
        if (rank !== this.rank) this.#memory.read(rank, bytesOf(share(rank)), rank * this.#region);
      }
    }
  }

  /** Reads every other rank's share where it is, then their sums. Two phases: sums are made, sums are taken. */
  async #sumInPlace(
    call: Call,
    data: Float32Array,
    places: ReadonlyMap<number, ArrayPlace>,
    factors: readonly number[],
  ): Promise<void> {
    const others = new Map([...places].map(([rank, at]) => [rank, this.#arrays.read(at, data.length)]));
    const share = shares(data, this.worldSize);
    const first = share(this.rank).byteOffset / 4 - data.byteOffset / 4;
    this.#sumShare(share(this.rank), factors, (rank, into, from) =>
      into.set(others.get(rank)!.subarray(first + from, first + from + into.length)),
    );
    this.#mesh.arrive(call, 1);
    await this.#mesh.others(call, 1);
    this.#arrays.unlink(data);
    for (const [rank, other] of others) share(rank).set(shares(other, this.worldSize)(rank));
    this.#mesh.arrive(call, 2);
    await this.#mesh.others(call, 2);
  }

  /**
   * Sums this rank's share over all ranks, lowest first.
   * @param read gets numbers of another rank's same share, from an index on
   */
  #sumShare(
    share: Float32Array,
    factors: readonly number[],
    read: (rank: number, into: Float32Array, from: number) => void,
  ): void {
    weightedSum(share, factors, (rank, into, from) => {
      if (rank === this.rank) into.set(share.subarray(from, from + into.length));
      else read(rank, into, from);
    });
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
function meetingFolder(runId: string): string {
  const safe = runId.replaceAll(/[^A-Za-z0-9.-]+/g, '_').slice(-40);
  return join(socketFolder(), `lavis-${userInfo().uid}-${safe}`);
}

/** The folder for temporary files, unless it is too long for the path of a socket. */
export const socketFolder = () => (tmpdir().length > 50 ? '/tmp' : tmpdir());
