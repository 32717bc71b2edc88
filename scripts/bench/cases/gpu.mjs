/**
 * The benchmark on a graphics card: training steps of base and large, captioning, GFLOP/s beside the card's own matrix
 * products, peak memory of the card. Prints a Markdown table and writes JSON.
 *
 *     node scripts/bench/index.mjs gpu                                          ours alone, on WebGPU
 *     node scripts/bench/index.mjs gpu --peer torch_blip.py --python python3    beside PyTorch on the same card
 *     node scripts/bench/index.mjs gpu --small --image 64 --batches 2 --steps 2 --rounds 1     tries the benchmark itself
 *
 * With `--peer` PyTorch does the same work in turns with us, moved to the card by scripts/bench/lib/torch_on_gpu.py.
 * Every measurement is a process of its own; one that fails (no memory) is told and left out.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine } from '../lib/machine.mjs';
import { lastLine } from '../lib/programs.mjs';
import { inTurns } from '../lib/rounds.mjs';
import { tableLines } from '../lib/table.mjs';

const { values: args } = parseArgs({
  options: {
    device: { type: 'string', default: 'webgpu' },
    sizes: { type: 'string', default: 'base,large' },
    batches: { type: 'string', default: '8,16' },
    /** float32, float16 (run.amp), or both. */
    precisions: { type: 'string', default: 'float32,float16' },
    steps: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
    image: { type: 'string', default: '384' },
    small: { type: 'boolean', default: false },
    peer: { type: 'string' },
    'peer-device': { type: 'string', default: 'cuda' },
    python: { type: 'string', default: 'python3' },
    vocab: { type: 'string', default: 'bert-base-uncased' },
    json: { type: 'string', default: 'build/bench_gpu.json' },
  },
});

const inLib = (name) => fileURLToPath(new URL(`../lib/${name}`, import.meta.url));
const common = ['--steps', args.steps, '--image', args.image];

function ours(work, size, batch, precision) {
  const amp = precision === 'float16' ? ['--amp'] : [];
  const which = ['--work', work, '--size', args.small ? 'small' : size, '--batch', batch];
  const options = ['--device', args.device, '--vocab', args.vocab, ...amp];
  return lastLine(process.execPath, [inLib('gpu_work.mjs'), ...which, ...common, ...options]);
}

function peer(precision, ...parameters) {
  const command = [inLib('torch_on_gpu.py'), args['peer-device'], precision, args.peer];
  const found = lastLine(args.python, [...command, ...parameters, ...common]);
  return {
    seconds: found.seconds_per_step_median ?? found.seconds_per_generate_median,
    peakGb: found.card_peak_gb ?? found.peak_gb,
    productGflops: found.product_gflops,
    description: `PyTorch ${found.torch} on ${found.card ?? 'the processor'}`,
  };
}

const report = { ...machine(), arguments: args, engines: new Set(), rows: [] };

/** @param contestants by name: functions that measure once */
async function measure(work, contestants, images) {
  try {
    const options = { rounds: Number(args.rounds), work, progress: (text) => console.error(text) };
    const rows = await inTurns(contestants, options);
    const flops = rows[0].gflops * rows[0].seconds;
    for (const row of rows) {
      row.gflops ??= flops / row.seconds;
      row.share ??= row.gflops / row.productGflops;
      row.note = `${(images / row.seconds).toFixed(2)} images/s, products ${row.productGflops.toFixed(0)}`;
      for (const { description } of row.runs) report.engines.add(description);
    }
    report.rows.push(...rows);
  } catch (error) {
    console.error(`${work}: left out, ${error.message.split('\n').slice(0, 4).join(' ')}`);
    process.exitCode = 1;
  }
  mkdirSync(dirname(args.json), { recursive: true });
  writeFileSync(args.json, `${JSON.stringify({ ...report, engines: [...report.engines] }, null, 2)}\n`);
}

const sizes = args.sizes.split(',');
for (const size of sizes) {
  for (const batch of args.batches.split(',')) {
    for (const precision of args.precisions.split(',')) {
      const contestants = { ours: () => ours('step', size, batch, precision) };
      if (args.peer) contestants.PyTorch = () => peer(precision, '--size', size, '--batch', batch);
      await measure(`training step, ${size}, batch ${batch}, ${precision}`, contestants, Number(batch));
    }
  }
}
for (const batch of args.batches.split(',')) {
  const contestants = { ours: () => ours('caption', sizes[0], batch, 'float32') };
  const generate = ['--size', sizes[0], '--batch', batch, '--generate', '--beams', '3', '--max-len', '20'];
  if (args.peer) {
    contestants.PyTorch = () => peer('float32', ...generate);
    contestants['PyTorch, cached cross-attention'] = () => peer('float32', ...generate, '--cache-cross');
  }
  await measure(`captions, ${sizes[0]}, batch ${batch}, 3 beams, 20 tokens`, contestants, Number(batch));
}
console.log(tableLines(report.rows).join('\n'));
console.log(`\n${report.date}: ${[...report.engines].join('; ')}; ${report.cpu}, Node ${report.node}`);
console.log(`written: ${args.json}`);
