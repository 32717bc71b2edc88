import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DistributedError } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import { type Call, describe, ranksText, sameCall } from '../call_queue.js';
import { reportConsequence } from '../faults.js';
import { encodeFrame, type Frame, FrameReader } from './frames.js';

/** The first message over a connection. */
interface Hello {
  readonly hello: number;
  readonly worldSize: number;
  readonly memory: MemoryOffer;
}
/** Where a rank's shared memory is, and how many bytes of it the rank can fill. */
export interface MemoryOffer {
  readonly path: string;
  readonly slot: number;
}
/** "I have come to this phase of this call"; phase 0 tells what the call is. */
interface Arrival {
  readonly sequence: number;
  readonly phase: number;
  readonly operation: Call['operation'];
  readonly name: string;
  readonly size: number;
}
/** The last message; from a rank that fails because others left, with those. */
type Goodbye = { readonly bye: true; readonly because?: readonly number[] };
type Header = Hello | Arrival | Goodbye;

interface Peer {
  readonly socket: Socket;
  readonly memory: MemoryOffer;
  /** Messages that came before this rank waited for them, by sequence and phase. */
  readonly arrivals: Map<string, Frame<Arrival>>;
  /** The last call that the peer was seen in, and when. */
  last?: { call: Arrival; at: number };
  /** Why no more comes from there. */
  ended?: string;
  /** It left because others had. */
  followed?: boolean;
}

interface Waiter {
  readonly call: Call;
  readonly phase: number;
  readonly resolve: (frames: Map<number, Frame<Arrival>>) => void;
  readonly reject: (error: unknown) => void;
}

const key = (sequence: number, phase: number) => `${sequence}.${phase}`;
const RETRY_MS = 10;
/** How long others may be late before it is said that they are waited for. */
const NOTICE_MS = 3000;

/**
 * One connection between every two ranks of a machine, through Unix sockets in a folder of the run. They
 * carry arrivals and small values; a rank that dies closes its ends, and so is noticed at once.
 */
export class Mesh {
  readonly rank: number;
  readonly worldSize: number;
  readonly #peers = new Map<number, Peer>();
  #server: Server | undefined;
  #waiter: Waiter | undefined;

  private constructor(rank: number, worldSize: number) {
    this.rank = rank;
    this.worldSize = worldSize;
  }

  /**
   * Meets all other ranks: listens for the higher ones, connects to the lower ones.
   * @param memory told to the others
   * @throws DistributedError naming the ranks that did not come in time
   */
  static async meet(options: {
    folder: string;
    rank: number;
    worldSize: number;
    memory: MemoryOffer;
    timeoutSeconds: number;
  }): Promise<Mesh> {
    const { folder, rank, worldSize, memory, timeoutSeconds } = options;
    const mesh = new Mesh(rank, worldSize);
    const hello: Hello = { hello: rank, worldSize, memory };
    const deadline = performance.now() + timeoutSeconds * 1000;
    privateFolder(folder);
    const notice = setTimeout(() => mesh.#tellWhoIsAbsent(timeoutSeconds), NOTICE_MS);
    const path = (r: number) => join(folder, `${r}.sock`);
    try {
      await mesh.#listen(path(rank), hello);
      const lower = Array.from({ length: rank }, (_, r) => r);
      await Promise.all(lower.map((r) => mesh.#connect(path(r), hello, deadline)));
      while (mesh.#peers.size < worldSize - 1 && performance.now() < deadline) await sleep(RETRY_MS);
      if (mesh.#peers.size < worldSize - 1) throw mesh.#absent(folder, timeoutSeconds);
    } catch (error) {
      mesh.close();
      throw error;
    } finally {
      clearTimeout(notice);
      mesh.#server?.close(); // Its path goes with it.
    }
    for (const { socket } of mesh.#peers.values()) socket.unref();
    return mesh;
  }

  /** The other ranks' shared memories. */
  memories(): Map<number, MemoryOffer> {
    return new Map([...this.#peers].map(([rank, { memory }]) => [rank, memory]));
  }

  /** Tells the others that this rank has come to a phase of a call. */
  arrive(call: Call, phase: number, payload?: Uint8Array): void {
    const { sequence, operation, name, size } = call;
    const frame = encodeFrame({ sequence, phase, operation, name, size } satisfies Arrival, payload);
    for (const peer of this.#peers.values()) if (!peer.ended) peer.socket.write(frame);
  }

  /** Waits until all others have come to a phase of a call. @returns what they sent along. */
  others(call: Call, phase: number): Promise<Map<number, Frame<Arrival>>> {
    return new Promise((resolve, reject) => {
      const left = Math.max(0, call.deadline - performance.now());
      const timer = setTimeout(() => settle(() => reject(this.#late(call, phase))), left);
      const settle = (how: () => void) => {
        clearTimeout(timer);
        this.#waiter = undefined;
        how();
      };
      this.#waiter = {
        call,
        phase,
        resolve: (frames) => settle(() => resolve(frames)),
        reject: (error) => settle(() => reject(error)),
      };
      this.#look();
    });
  }

  /** Ends all connections; peers that still wait for this rank learn of it. */
  close(): void {
    this.#server?.close();
    this.#leave({ bye: true });
  }

  #leave(goodbye: Goodbye): void {
    for (const { socket, ended } of this.#peers.values()) {
      if (!ended && !socket.writableEnded) socket.end(encodeFrame(goodbye));
    }
  }

  /** Whether everything that the waiter waits for is there, or can no longer come. */
  #look(): void {
    const waiter = this.#waiter;
    if (!waiter) return;
    const { call, phase } = waiter;
    const frames = new Map<number, Frame<Arrival>>();
    const differ: string[] = [];
    for (const [rank, peer] of this.#peers) {
      const frame = peer.arrivals.get(key(call.sequence, phase));
      if (frame) frames.set(rank, frame);
      const first = phase === 0 && frame?.header;
      if (first && !sameCall(first, call)) differ.push(`rank ${rank}: ${describe(first)}`);
    }
    const gone = [...this.#peers].filter(([rank, peer]) => peer.ended && !frames.has(rank));
    if (differ.length > 0) {
      waiter.reject(this.#mismatch(call, differ));
    } else if (frames.size === this.#peers.size) {
      for (const peer of this.#peers.values()) peer.arrivals.delete(key(call.sequence, phase));
      waiter.resolve(frames);
    } else if (gone.length > 0) {
      waiter.reject(this.#gone(call, gone));
    }
  }

  #take(peer: Peer, frame: Frame<Header>): void {
    const { header } = frame;
    if ('bye' in header) {
      peer.ended = 'said goodbye';
      peer.followed = header.because !== undefined;
      for (const rank of header.because ?? []) {
        const lost = this.#peers.get(rank);
        if (lost) lost.ended ??= 'ended (as another rank saw)';
      }
    } else if ('sequence' in header) {
      peer.arrivals.set(key(header.sequence, header.phase), frame as Frame<Arrival>);
      peer.last = { call: header, at: performance.now() };
    }
    this.#look();
  }

  #adopt(socket: Socket, onHello: (hello: Hello) => boolean): void {
    const reader = new FrameReader<Header>();
    let peer: Peer | undefined;
    socket.setNoDelay?.(true);
    socket.on('data', (chunk: Buffer) => {
      for (const frame of reader.push(chunk)) {
        if (peer) {
          this.#take(peer, frame);
          continue;
        }
        const hello = frame.header as Hello;
        if (hello.worldSize !== this.worldSize || !onHello(hello)) {
          socket.destroy();
          return;
        }
        peer = { socket, memory: hello.memory, arrivals: new Map() };
        this.#peers.set(hello.hello, peer);
      }
    });
    socket.on('error', () => {}); // 'close' follows.
    socket.on('close', () => {
      if (peer) peer.ended ??= 'ended (its connection closed)';
      this.#look();
    });
  }

  async #listen(path: string, hello: Hello): Promise<void> {
    try {
      await this.#serve(path, hello);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      await requireFree(path, this.rank);
      await this.#serve(path, hello);
    }
  }

  #serve(path: string, hello: Hello): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server = createServer((socket) => {
        this.#adopt(socket, ({ hello: other }) => {
          if (other <= this.rank || other >= this.worldSize || this.#peers.has(other)) return false;
          return socket.write(encodeFrame(hello)) || true;
        });
      });
      this.#server.once('error', reject);
      this.#server.listen(path, () => {
        chmodSync(path, 0o600);
        resolve();
      });
    });
  }

  async #connect(path: string, hello: Hello, deadline: number): Promise<void> {
    while (performance.now() < deadline) {
      const socket = await tryConnect(path);
      if (socket) {
        const met = new Promise<boolean>((resolve) => {
          this.#adopt(socket, () => {
            resolve(true);
            return true;
          });
          socket.once('close', () => resolve(false));
        });
        socket.write(encodeFrame(hello));
        if (await met) return;
      }
      await sleep(RETRY_MS);
    }
  }

  #where(): string {
    return `rank ${this.rank} of ${this.worldSize}`;
  }

  #missing(): number[] {
    return Array.from({ length: this.worldSize }, (_, r) => r).filter(
      (r) => r !== this.rank && !this.#peers.has(r),
    );
  }

  /** The lowest rank that is there tells, so that it is told once; who it is, each can only guess. */
  #tellWhoIsAbsent(timeoutSeconds: number): void {
    const missing = this.#missing();
    if (missing.length === 0 || this.rank > missing.filter((r) => r < this.rank).length) return;
    log.warn(`${this.#where()} waits for ${ranksText(missing)}, for up to ${timeoutSeconds} s`);
  }

  #absent(folder: string, timeoutSeconds: number): DistributedError {
    const text = `${ranksText(this.#missing())} did not join within ${timeoutSeconds} s`;
    return new DistributedError(text, {
      where: `${this.#where()}, folder ${folder}`,
      help: 'check that every worker was started and none failed before; run.dist_timeout sets the limit',
    });
  }

  #late(call: Call, phase: number): DistributedError {
    const late = [...this.#peers].filter(([, peer]) => !peer.arrivals.has(key(call.sequence, phase)));
    const seen = late.map(([rank, { last }]) => {
      if (!last) return `rank ${rank} has made no call yet`;
      const seconds = ((performance.now() - last.at) / 1000).toFixed(0);
      return `rank ${rank} was last seen ${seconds} s ago in ${describe(last.call)}`;
    });
    const ranks = ranksText(late.map(([rank]) => rank));
    return new DistributedError(`${ranks} did not come to ${describe(call)} in ${call.timeoutSeconds} s`, {
      where: this.#where(),
      found: seen.join('\n'),
      help: 'a longer run.dist_timeout (seconds) if that rank only needs more time',
    });
  }

  #mismatch(call: Call, differ: string[]): DistributedError {
    return new DistributedError('the ranks are at different calls', {
      where: `${this.#where()}, call ${call.sequence}`,
      found: [`this rank: ${describe(call)}`, ...differ].join('\n'),
      allowed: 'the same operation, name and size on every rank',
    });
  }

  #gone(call: Call, gone: [number, Peer][]): DistributedError {
    const first = gone.filter(([, { followed }]) => !followed);
    const left = first.length > 0 ? first : gone;
    const ranks = left.map(([rank]) => rank);
    reportConsequence(this.rank);
    this.#leave({ bye: true, because: ranks });
    return new DistributedError(`${ranksText(ranks)} left while others were in ${describe(call)}`, {
      where: this.#where(),
      found: left.map(([rank, { ended }]) => `rank ${rank} ${ended}`).join('\n'),
      help: `look for the error of ${ranksText(ranks)}`,
    });
  }
}

function tryConnect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', () => resolve(undefined)); // Not there yet, or left over from another run.
  });
}

/** Removes what a run that died has left. @throws DistributedError when another run is meeting there now. */
async function requireFree(path: string, rank: number): Promise<void> {
  const other = await tryConnect(path);
  if (other) {
    other.destroy();
    throw new DistributedError(`another rank ${rank} is meeting in the same folder`, {
      where: path,
      help: 'give each run of this machine its own MASTER_PORT, and each process its own RANK',
    });
  }
  rmSync(path, { force: true });
}

/** @throws DistributedError when the folder is another user's. */
function privateFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid } = lstatSync(folder);
  if (process.getuid && uid !== process.getuid()) {
    throw new DistributedError("the run's meeting folder belongs to another user", {
      where: folder,
      found: `user ${uid}`,
      help: 'give the run another MASTER_PORT',
    });
  }
}
