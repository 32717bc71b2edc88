/**
 * A rank of the communicator tests: does what its argument names and prints JSON lines. It starts often, and
 * so it imports what needs no engine.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '#src/common/errors.js';
import { onRankZero } from '#src/distributed/collectives.js';
import { initCommunicator } from '#src/distributed/init.js';

const [scenario, ...args] = process.argv.slice(2);
const print = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);

const comm = await initCommunicator(process.env, {
  timeoutSeconds: Number(process.env.TEST_TIMEOUT ?? 20),
});
const { rank, worldSize } = comm;
/** Numbers that no order of summing leaves alone. */
const NUMBERS = Float32Array.from({ length: 4093 }, (_, i) => Math.sin(i * 12.9898) * 10 ** (i % 5));
const numberAt = (i: number, seed: number) => NUMBERS[(i * 31 + seed * 1009) % NUMBERS.length];
const numbers = (length: number, seed: number) => Float32Array.from({ length }, (_, i) => numberAt(i, seed));

/** A digest of the bits, and the largest relative difference to a sum in float64. */
function judged(data: Float32Array, factors?: readonly number[]): { worst: number; digest: number } {
  let worst = 0;
  for (let i = 0; i < data.length; i++) {
    let exact = 0;
    let scale = 1e-30;
    for (let r = 0; r < worldSize; r++) {
      const value = numberAt(i, r);
      exact += value * (factors?.[r] ?? 1);
      scale += Math.abs(value);
    }
    worst = Math.max(worst, Math.abs(data[i] - exact) / scale);
  }
  let digest = 0;
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  for (const word of bits) digest = (Math.imul(digest, 31) + word) >>> 0;
  return { worst, digest };
}

const scenarios: Record<string, () => Promise<void>> = {
  /** Sums of several lengths. */
  async sums() {
    for (const length of args.map(Number)) {
      const data = numbers(length, rank);
      await comm.allReduce(data, `sum of ${length}`);
      print({ rank, length, ...judged(data) });
    }
  },
  /** Sums, with factors, of arrays that the communicator made; then once more, with those of rank 1 its own. */
  async shared() {
    const lengths = args.map(Number);
    const factors = Array.from({ length: worldSize }, (_, r) => 0.3 + r);
    for (const round of [1, 2]) {
      const arrays = comm.arrays(lengths);
      const whole = arrays.every(({ buffer }) => buffer === arrays[0].buffer);
      for (const [i, length] of lengths.entries()) {
        const data = round === 2 && rank === 1 ? new Float32Array(length) : arrays[i];
        // Twice: the second time the files have no names any more.
        for (const again of [1, 2]) {
          data.set(numbers(length, rank));
          await comm.allReduce(data, `sum ${again} of ${length}`, { factors: Promise.resolve(factors) });
          // What a rank writes next must not reach those that still take the sum.
          const copy = data.slice();
          data.fill(Number.NaN);
          print({ rank, length, whole, ...judged(copy, factors) });
        }
      }
    }
  },
  async mixture() {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (rank === 1 ? i % 251 : 0));
    const queued = [
      comm.broadcast(bytes, 1, 'bytes'),
      comm.barrier('a barrier'),
      comm.allGather({ rank, list: new Float32Array([rank, Number.NaN]) }, 'values'),
    ] as const;
    const values = await queued[2];
    const answer = await onRankZero(comm, 'works', async () => {
      await sleep(100);
      return `from rank ${rank}`;
    });
    print({
      bytes: bytes.every((byte, i) => byte === i % 251),
      ranks: values.map((value) => value.rank),
      typed: values.every((value, i) => value.list[0] === i && Number.isNaN(value.list[1])),
      answer,
    });
  },
  /** Rank 1 is at another call. */
  async mismatch() {
    await comm.barrier('together');
    if (rank !== 1) await comm.allReduce(new Float32Array(8), 'gradients');
    else if (args[0] === 'size') await comm.allReduce(new Float32Array(9), 'gradients');
    else if (args[0] === 'name') await comm.allReduce(new Float32Array(8), 'something else');
    else await comm.barrier('the end');
  },
  /** Rank 1 never comes to the second barrier, but lives on. */
  async hang() {
    await comm.barrier('first');
    if (rank === 1) await sleep(60_000);
    else await comm.barrier('second');
  },
  /** Rank 1 dies in the middle of an all-reduce. */
  async die() {
    print({ pid: process.pid });
    if (rank === 1) setTimeout(() => process.kill(process.pid, 'SIGKILL'), 300);
    for (let i = 0; ; i++) await comm.allReduce(new Float32Array(4e6), `step ${i}`);
  },
  async endless() {
    for (let i = 0; ; i++) {
      await comm.allReduce(new Float32Array(1e6), `step ${i}`);
      if (i === 3) print({ started: true });
    }
  },
  /** Rank 0's work fails for all. */
  async zeroFails() {
    await onRankZero(comm, 'downloads the weights', () => {
      throw new Error('no network here');
    });
  },
  async evaluate() {
    if (rank === 1) setTimeout(() => process.kill(process.pid, 'SIGKILL'), 100);
    if (rank === 1) await sleep(10_000);
    await comm.allGather([{ image_id: rank, caption: 'a dog' }], 'results');
  },
  async download() {
    await onRankZero(comm, 'downloads the weights', async () => {
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), 100);
      await sleep(10_000);
    });
  },
  async early() {
    if (rank === 1) await comm.close();
    else await comm.barrier('the end');
  },
};

try {
  await scenarios[scenario]();
  await comm.close();
} catch (error) {
  print({ rank, error: messageOf(error) });
  process.exit(3);
}
