/** A worker of the launcher tests. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '#src/common/errors.js';
import { initCommunicator } from '#src/distributed/init.js';

const [scenario, folder, ...more] = process.argv.slice(2);
const comm = await initCommunicator(process.env, {
  timeoutSeconds: Number(process.env.TEST_TIMEOUT ?? 30),
});
const { rank } = comm;
writeFileSync(join(folder, `${rank}.pid`), String(process.pid));
await comm.barrier('pids are written');

/** Steps of a training that goes on until something happens. */
async function train() {
  for (let i = 0; ; i++) {
    await comm.allReduce(new Float32Array(1000), `step ${i}`);
    await sleep(5);
  }
}

const scenarios: Record<string, () => Promise<void>> = {
  async well() {
    const { RANK, LOCAL_RANK, WORLD_SIZE, LAVIS_THREADS, CUDA_VISIBLE_DEVICES } = process.env;
    const mine = { RANK, LOCAL_RANK, WORLD_SIZE, LAVIS_THREADS, CUDA_VISIBLE_DEVICES };
    const all = await comm.allGather(mine, 'environments');
    if (rank === 0) console.log(JSON.stringify(all));
    else console.log('hello');
  },
  async raise() {
    if (rank !== 1) await train();
    await sleep(100);
    throw new Error('the dog ate the batch');
  },
  async die() {
    if (rank === 1) process.kill(process.pid, 'SIGKILL');
    await train();
  },
  async hang() {
    // Rank 1 computes and never looks up.
    if (rank === 1) for (;;);
    await train();
  },
  /** Computes without end on every rank. */
  async compute() {
    for (;;);
  },
  async stubborn() {
    process.on('SIGTERM', () => {});
    if (rank === 0) throw new Error('rank 0 is done for');
    await sleep(60_000);
  },
  async onceMore() {
    const attempt = process.env.TORCHELASTIC_RESTART_COUNT;
    if (attempt === '0' && rank === 1) throw new Error('not this time');
    console.log(`attempt ${attempt} ${more.join(' ')}`);
  },
  async untilStopped() {
    const stopped = new Promise((resolve) => process.once('SIGTERM', resolve));
    const timer = setInterval(() => {}, 1000);
    await stopped;
    clearInterval(timer);
    console.log(`rank ${rank} saved`);
  },
};

try {
  await scenarios[scenario]();
  await comm.close();
} catch (error) {
  console.error(`failed: ${messageOf(error)}`);
  process.exit(7);
}
