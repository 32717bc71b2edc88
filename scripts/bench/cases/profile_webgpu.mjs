/**
 * Where a training step's time goes on a WebGPU adapter, by the adapter's own timestamps: milliseconds and runs of
 * each shader. Weights are random.
 *
 *     node scripts/bench/index.mjs profile_webgpu [--model shapes|base|large] [--batch 8] [--words 12] [--device webgpu:0]
 */

import { parseArgs } from 'node:util';
import { setupEngine, tf, valueAndGrads } from '../../../dist/engine/index.js';
import { BlipCaption } from '../../../dist/models/index.js';
import { AdamW } from '../../../dist/optim/index.js';
import { modelSection, SHAPES_VOCAB } from '../lib/captioner.mjs';

const { values: args } = parseArgs({
  options: {
    model: { type: 'string', default: 'shapes' },
    batch: { type: 'string', default: '8' },
    words: { type: 'string', default: '12' },
    device: { type: 'string', default: 'webgpu' },
  },
});

console.log((await setupEngine({ device: args.device })).description);
const section = modelSection({
  size: args.model,
  image: args.model === 'shapes' ? 64 : 384,
  vocab: SHAPES_VOCAB,
});
const model = (await BlipCaption.fromConfig(section, { seed: 1 })).train();
const batch = Number(args.batch);
const text_input = Array.from(
  { length: batch },
  () => `a picture of ${'red '.repeat(Number(args.words)).trim()}`,
);
const image = tf.randomNormal([batch, section.image_size, section.image_size, 3], 0, 1, 'float32', 1);
const optimizer = new AdamW(model.getOptimizerParams(0.05), { lr: 1e-5 });

function step() {
  const { value, grads } = valueAndGrads(
    () => model.forward({ image, text_input }).loss,
    model.namedParameters(),
  );
  optimizer.step(grads, 1e-5);
  tf.dispose([...grads.values()]);
  return value;
}

for (let i = 0; i < 3; i++) {
  const start = performance.now();
  const [loss] = await step().data();
  console.log(`step ${i + 1}: ${(performance.now() - start).toFixed(0)} ms, loss ${loss.toFixed(4)}`);
}
const { kernelMs, getExtraProfileInfo } = await tf.time(() => step().dispose());
const shaders = new Map();
for (const [, name, ms] of getExtraProfileInfo().matchAll(/([^,:]+): ([\d.e+-]+)/g)) {
  const entry = shaders.get(name.trim()) ?? { ms: 0, runs: 0 };
  shaders.set(name.trim(), { ms: entry.ms + Number(ms), runs: entry.runs + 1 });
}
console.log(`shaders: ${kernelMs.toFixed(1)} ms`);
for (const [name, { ms, runs }] of [...shaders].sort(([, a], [, b]) => b.ms - a.ms)) {
  console.log(`${ms.toFixed(2).padStart(10)} ms ${String(runs).padStart(5)} x ${name}`);
}
