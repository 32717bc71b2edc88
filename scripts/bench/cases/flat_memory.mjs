/**
 * Trains a small captioner on batches of all lengths and tells the memory every ten steps; ends with an error where
 * tensors or the card's memory grow after the first twenty.
 *
 *     node scripts/bench/index.mjs flat_memory [--device webgpu] [--steps 100] [--amp]
 */
import { parseArgs } from 'node:util';
import { SingleCommunicator } from '../../../dist/distributed/index.js';
import { deviceMemory, setupEngine, tf } from '../../../dist/engine/index.js';
import { BlipCaption } from '../../../dist/models/index.js';
import { AdamW, GradScaler } from '../../../dist/optim/index.js';
import { TrainStep } from '../../../dist/runners/train_step.js';
import { CaptionTask } from '../../../dist/tasks/index.js';
import { modelSection, SHAPES_VOCAB } from '../lib/captioner.mjs';

const { values: args } = parseArgs({
  options: {
    device: { type: 'string', default: 'webgpu' },
    steps: { type: 'string', default: '100' },
    amp: { type: 'boolean', default: false },
  },
});

console.log((await setupEngine({ device: args.device })).description);
const size = 32;
const section = {
  ...modelSection({ size: 'shapes', image: size, vocab: SHAPES_VOCAB }),
  vit_embed_dim: 64,
  vit_depth: 2,
  vit_num_heads: 2,
};
const model = (await BlipCaption.fromConfig(section, { seed: 1 })).train();
const step = new TrainStep({
  task: new CaptionTask({}),
  model,
  optimizer: new AdamW(model.getOptimizerParams(0.05), { lr: 1e-4 }),
  accumGradIters: 1,
  clipGradNorm: 1,
  comm: new SingleCommunicator(),
  scaler: args.amp ? new GradScaler() : undefined,
  float16: args.amp,
});

const rows = [];
for (let i = 1; i <= Number(args.steps); i++) {
  const image = {
    data: Float32Array.from({ length: 2 * size * size * 3 }, () => Math.random()),
    shape: [2, size, size, 3],
  };
  const words = (count) => `a picture of ${Array(count).fill('red').join(' ')}`;
  const report = await step.run({ image, text_input: [words(1 + (i % 9)), words(2)] }, 1e-4, true);
  await report.later;
  if (i % 10 !== 0) continue;
  const row = {
    step: i,
    loss: Number(report.losses.loss.toFixed(3)),
    tensors: tf.memory().numTensors,
    cardMB: Number(((deviceMemory() ?? 0) / 1e6).toFixed(2)),
    processMB: Math.round(process.memoryUsage.rss() / 1e6),
  };
  rows.push(row);
  console.log(JSON.stringify(row));
}
const late = rows.filter((row) => row.step > 20);
const grown = late.some(({ tensors, cardMB }) => tensors > rows[1].tensors || cardMB > rows[1].cardMB);
if (grown) console.error('memory grows');
process.exit(grown ? 1 : 0);
