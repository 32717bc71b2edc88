/**
 * How a training step would scale over 1 to 1,024 workers, from figures measured here:
 *
 *     node scripts/bench/index.mjs simulate_scale                          # measures a small model on this machine
 *     node scripts/bench/index.mjs simulate_scale --model base --image-size 224 --batch 2 --vocab vocab.txt
 *     node scripts/bench/index.mjs simulate_scale --compute 0.45 --bytes 1.8e9 --inside 200 --between 25 --overlap
 *
 * The first two train on 1, 2 and 4 local workers of one thread each and set the prediction beside it. The
 * last takes figures of other machines: seconds of a step on one worker, bytes of gradients, and links in
 * gigabytes a second, inside a machine of --workers-per-machine and between machines.
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  broadcastVariables,
  GradientAverager,
  initCommunicator,
  predictStep,
  scalesUpTo,
} from '../../../dist/distributed/index.js';

const { values: args } = parseArgs({
  options: {
    model: { type: 'string', default: 'small' },
    'image-size': { type: 'string', default: '96' },
    batch: { type: 'string', default: '4' },
    vocab: { type: 'string', default: 'configs/models/shapes_vocab.txt' },
    steps: { type: 'string', default: '4' },
    counts: { type: 'string', default: '1,2,4' },
    compute: { type: 'string' },
    bytes: { type: 'string', default: '1.8e9' },
    inside: { type: 'string' },
    between: { type: 'string', default: '1.25' },
    latency: { type: 'string', default: '2e-5' },
    'workers-per-machine': { type: 'string', default: '8' },
    overlap: { type: 'boolean', default: false },
  },
});
const BUCKET = 25 * 1024 * 1024;
/** Shares of a step, as the engine's benchmark finds them. */
const FORWARD = 0.3;
const UPDATE = 0.08;

async function measureAndSimulate() {
  const measured = [];
  for (const count of args.counts.split(',').map(Number)) measured.push(await runWorkers(count));
  const [one] = measured;
  const machine = { workersPerMachine: 1, inside: linkOf(measured), between: linkOf(measured) };
  console.log(`\n${args.model}, ${args['image-size']} px, batch ${args.batch} a worker, one thread each`);
  console.log('workers   measured   predicted   images/s   speed-up   exchange   CPU a worker');
  for (const { count, step, exchange, cpu } of measured) {
    const cluster = {
      ...machine,
      workersPerMachine: count,
      coresPerWanted: Math.min(1, availableParallelism() / count),
      algorithm: 'ring',
      overlap: false,
    };
    const { stepSeconds } = predictStep(workload(one.step, one.bytes), cluster, count);
    const rate = (count * Number(args.batch)) / step;
    const speedUp = (count * one.step) / step;
    console.log(
      `${String(count).padStart(7)}${`${step.toFixed(3)} s`.padStart(11)}${`${stepSeconds.toFixed(3)} s`.padStart(12)}${rate.toFixed(2).padStart(11)}${speedUp.toFixed(2).padStart(11)}${`${exchange.toFixed(3)} s`.padStart(11)}${`${cpu.toFixed(3)} s`.padStart(15)}`,
    );
  }
  const cores = availableParallelism();
  simulate(one.step, one.bytes, machine.inside.bandwidth, cores);
}

/** The link that two workers' all-reduces tell of: a ring of two sends the bytes once. */
function linkOf(measured) {
  const two = measured.find(({ count }) => count === 2);
  return { latency: two?.latency ?? 2e-4, bandwidth: two ? two.bytes / two.allReduce : 1e9 };
}

const workload = (compute, gradientBytes) => ({
  forwardSeconds: compute * FORWARD,
  backwardSeconds: compute * (1 - FORWARD - UPDATE),
  updateSeconds: compute * UPDATE,
  gradientBytes,
  bucketBytes: BUCKET,
});

function simulate(compute, bytes, inside, perMachine) {
  const workersPerMachine = args.compute ? Number(args['workers-per-machine']) : perMachine;
  const latency = Number(args.latency);
  const between = Number(args.between) * 1e9;
  console.log(
    `\nsimulated: ${compute.toFixed(3)} s a step, ${(bytes / 1e6).toFixed(0)} MB of gradients, ${workersPerMachine} workers a machine, ${(inside / 1e9).toFixed(2)} GB/s inside, ${args.between} GB/s between`,
  );
  console.log('workers       ring                tree                ring, overlapped    tree, overlapped');
  const columns = [false, true].flatMap((overlap) =>
    ['ring', 'tree'].map((algorithm) => ({ overlap, algorithm })),
  );
  const counts = Array.from({ length: 11 }, (_, i) => 2 ** i);
  const table = columns.map(({ overlap, algorithm }) =>
    counts.map((count) =>
      predictStep(
        workload(compute, bytes),
        {
          workersPerMachine,
          inside: { latency: 1e-5, bandwidth: inside },
          between: { latency, bandwidth: between },
          algorithm,
          overlap,
        },
        count,
      ),
    ),
  );
  counts.forEach((count, row) => {
    const cells = table.map((column) => {
      const { stepSeconds, efficiency } = column[row];
      return `${stepSeconds.toFixed(3)} s ${(efficiency * 100).toFixed(0).padStart(3)} %`.padEnd(20);
    });
    console.log(`${String(count).padStart(7)}       ${cells.join('')}`);
  });
  const ends = table.map((column) => `${scalesUpTo(column)}`.padEnd(20)).join('');
  console.log(`half is lost beyond\n              ${ends}`);
}

async function runWorkers(count) {
  const folder = mkdtempSync(join(tmpdir(), 'lavis-scale-'));
  const workers = Array.from({ length: count }, (_, rank) =>
    fork(fileURLToPath(import.meta.url), process.argv.slice(2), {
      env: { ...process.env, RANK: rank, WORLD_SIZE: count, LAVIS_THREADS: 1, LAVIS_MEETING_FOLDER: folder },
    }),
  );
  let result;
  workers[0].on('message', (message) => {
    result = message;
  });
  const codes = await Promise.all(
    workers.map((worker) => new Promise((resolve) => worker.on('exit', resolve))),
  );
  rmSync(folder, { recursive: true, force: true });
  if (!result || codes.some((code) => code !== 0)) throw new Error(`workers ended with ${codes}`);
  return { count, ...result };
}

/** The shortest of a few all-reduces. */
async function best(comm, data) {
  let shortest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 7; i++) {
    await comm.barrier('all-reduce');
    const start = performance.now();
    await comm.allReduce(data, 'measured');
    shortest = Math.min(shortest, (performance.now() - start) / 1000);
  }
  return shortest;
}

/** One worker: real training steps on random images. */
async function train() {
  const { loadEverything } = await import('../lib/scale_model.mjs');
  const comm = await initCommunicator(process.env);
  const { step, parameters, dispose } = await loadEverything({
    kind: args.model,
    imageSize: Number(args['image-size']),
    batch: Number(args.batch),
    vocab: args.vocab,
    seed: comm.rank,
  });
  await broadcastVariables(comm, parameters);
  const averager = comm.worldSize > 1 ? new GradientAverager(comm, parameters) : undefined;
  const steps = Number(args.steps);
  const times = [];
  const exchanges = [];
  const busy = [];
  for (let i = 0; i <= steps; i++) {
    await comm.barrier('step');
    const start = performance.now();
    const before = process.cpuUsage();
    exchanges.push(await step(averager));
    times.push((performance.now() - start) / 1000);
    const { user, system } = process.cpuUsage(before);
    busy.push((user + system) / 1e6);
  }
  const median = (list) => list.slice(1).sort((a, b) => a - b)[Math.floor((list.length - 1) / 2)];
  let bytes = 0;
  for (const parameter of parameters.values()) bytes += parameter.size * 4;
  const latency = (await best(comm, new Float32Array(2))) / 2;
  const allReduce = await best(comm, comm.arrays([bytes / 4])[0]);
  await comm.barrier('end');
  if (comm.rank === 0) {
    process.send({
      step: median(times),
      exchange: median(exchanges),
      cpu: median(busy),
      bytes,
      latency,
      allReduce,
    });
  }
  await comm.close();
  dispose();
  process.disconnect();
}

if (process.env.WORLD_SIZE) await train();
else if (args.compute) simulate(Number(args.compute), Number(args.bytes), Number(args.inside ?? 10) * 1e9, 1);
else await measureAndSimulate();
