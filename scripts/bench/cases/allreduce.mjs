/**
 * All-reduce bandwidth of a communicator beside a plain copy:
 *
 *     node scripts/bench/index.mjs allreduce                 # 2 local ranks
 *     node scripts/bench/index.mjs allreduce 4               # 4 local ranks
 *     mpirun -np 2 node scripts/bench/index.mjs allreduce    # MPI
 *
 * GB/s: bytes of the array over the time of one call. The first figure is for arrays of the communicator, as
 * gradients lie in; the second for any array.
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initCommunicator, readWorld } from '../../../dist/distributed/index.js';

const SIZES = [4, 1e6, 100e6, 1e9];

if (readWorld().launcher === 'none') await startRanks(Number(process.argv[2] ?? 2));
else await measure();

async function startRanks(count) {
  const folder = mkdtempSync(join(tmpdir(), 'lavis-bench-'));
  const ranks = Array.from({ length: count }, (_, rank) =>
    fork(fileURLToPath(import.meta.url), {
      env: { ...process.env, RANK: rank, WORLD_SIZE: count, LAVIS_MEETING_FOLDER: folder },
    }),
  );
  const codes = await Promise.all(ranks.map((rank) => new Promise((resolve) => rank.on('exit', resolve))));
  rmSync(folder, { recursive: true, force: true });
  process.exit(codes.find((code) => code !== 0) ?? 0);
}

async function measure() {
  const comm = await initCommunicator();
  for (const bytes of SIZES) {
    const [shared] = comm.arrays([bytes / 4]);
    const repeats = Math.max(3, Math.min(300, Math.round(2e9 / bytes)));
    const seconds = [];
    const data = new Float32Array(bytes / 4);
    for (const array of [shared, data]) {
      array.fill(comm.rank + 1);
      for (let i = 0; i * 5 < repeats; i++) await comm.allReduce(array, 'warm-up');
      await comm.barrier('start');
      const start = performance.now();
      for (let i = 0; i < repeats; i++) await comm.allReduce(array, 'measured');
      seconds.push((performance.now() - start) / 1000 / repeats);
    }
    await comm.barrier('copies');
    if (comm.rank === 0) {
      const copy = new Float32Array(data.length);
      copy.set(data);
      const from = performance.now();
      for (let i = 0; i < 2; i++) copy.set(data);
      const copying = (performance.now() - from) / 2000;
      const rate = (s) => `${(bytes / 1e9 / s).toFixed(2).padStart(6)} GB/s`;
      const each = seconds.map((s) => `${(s * 1000).toFixed(3).padStart(9)} ms ${rate(s)}`).join(',');
      const size = bytes < 1e6 ? `${bytes} B` : `${bytes / 1e6} MB`;
      console.log(
        `${comm.backend} ${comm.worldSize} ranks ${size.padStart(8)}: ${each}; copy ${rate(copying)}`,
      );
    }
  }
  await comm.close();
}
