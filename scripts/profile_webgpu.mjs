/**
 * Where a training step's time goes on a WebGPU adapter, by the adapter's own timestamps: milliseconds and runs of
 * each shader. Weights are random.
 *
 *     node scripts/profile_webgpu.mjs [--model shapes|base|large] [--batch 8] [--words 12] [--device webgpu:0]
 */

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { setupEngine, tf, valueAndGrads } from '../dist/engine/index.js';
import { BlipCaption } from '../dist/models/index.js';
import { AdamW } from '../dist/optim/index.js';

const { values: args } = parseArgs({
  options: {
    model: { type: 'string', default: 'shapes' },
    batch: { type: 'string', default: '8' },
    words: { type: 'string', default: '12' },
    device: { type: 'string', default: 'webgpu' },
  },
});

const SHAPES = {
  vit_type: 'custom',
  vit_embed_dim: 128,
  vit_depth: 4,
  vit_num_heads: 4,
  vit_patch_size: 8,
  image_size: 64,
  med_config_path: 'configs/models/med_shapes_config.json',
};
const full = (vit, med) => ({ vit_type: vit, image_size: 384, med_config_path: `configs/models/${med}` });
const SECTIONS = {
  shapes: SHAPES,
  base: full('base', 'med_config.json'),
  large: full('large', 'med_large_config.json'),
};

console.log((await setupEngine({ device: args.device })).description);
const section = {
  arch: 'blip_caption',
  load_finetuned: false,
  load_pretrained: false,
  prompt: 'a picture of ',
  tokenizer: resolve('configs/models/shapes_vocab.txt'),
  ...SECTIONS[args.model],
};
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
