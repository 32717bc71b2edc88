/**
 * Saves a captioner with its AdamW state as a run does, and loads it as `--resume` does:
 *
 *     node scripts/bench/index.mjs model_checkpoint save|load FILE [--size base]
 *
 * Each ends with one line of JSON, for scripts/bench/index.mjs. scripts/bench/cases/checkpoint.mjs is about files larger
 * than memory is meant to be.
 */
import { statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { setupEngine, tf } from '../../../dist/engine/index.js';
import { AdamW } from '../../../dist/optim/index.js';
import { readCheckpoint, writeCheckpoint } from '../../../dist/runners/checkpoints.js';
import { newRunState } from '../../../dist/runners/state.js';
import { makeCaptioner } from '../lib/captioner.mjs';
import { peakGb, residentGb } from '../lib/machine.mjs';

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: 'string', default: 'base' },
    image: { type: 'string', default: '384' },
    vocab: { type: 'string', default: 'bert-base-uncased' },
  },
});
const [part, path] = positionals;
await setupEngine({ device: 'cpu' });
const model = await makeCaptioner({ size: args.size, image: Number(args.image), vocab: args.vocab });
const optimizer = new AdamW(model.getOptimizerParams(0.05), { lr: 1e-5 });

const parts = {
  async save() {
    const state = newRunState(42, 1);
    const accumulated = new Map();
    await writeCheckpoint(path, { model, optimizer, config: {}, position: { epoch: 0 }, state, accumulated });
  },
  async load() {
    await readCheckpoint(path, model, optimizer);
  },
};

// An update makes the moments; what they are does not matter.
if (part === 'save') {
  const grads = new Map([...model.namedParameters()].map(([name, value]) => [name, value.clone()]));
  optimizer.step(grads, 1e-5);
  tf.dispose([...grads.values()]);
}
const before = residentGb();
const start = performance.now();
await parts[part]();
const seconds = (performance.now() - start) / 1000;
const gigabytes = statSync(path).size / 1e9;
console.log(
  `${part}: ${gigabytes.toFixed(2)} GB in ${seconds.toFixed(2)} s, ${(gigabytes / seconds).toFixed(2)} GB/s; ${before.toFixed(2)} GB before, ${peakGb().toFixed(2)} GB at most`,
);
console.log(JSON.stringify({ seconds, gigabytes, beforeGb: before, peakGb: peakGb() }));
process.exit(0);
