/**
 * Writes a checkpoint of the size of BLIP large with its AdamW state (5.4 GB), reads it back, and prints
 * times and peak memory. Each part runs in a process of its own.
 *
 *     npm run build && node scripts/bench/index.mjs checkpoint [--in FOLDER] [--scale 1] [--keep]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  convertCheckpoint,
  OrderedDict,
  openCheckpoint,
  saveTorch,
  tuple,
} from '../../../dist/checkpoint/index.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { in: { type: 'string' }, scale: { type: 'string', default: '1' }, keep: { type: 'boolean' } },
});
const width = Math.round(1024 * Math.sqrt(Number(values.scale)));

/** Names and shapes like those of BLIP large: 24 ViT blocks, 12 decoder layers, a tied embedding. */
function shapes() {
  const named = new Map([
    ['visual_encoder.pos_embed', [1, 577, width]],
    ['visual_encoder.patch_embed.proj.weight', [width, 3, 16, 16]],
  ]);
  for (let i = 0; i < 24; i++) {
    const block = `visual_encoder.blocks.${i}`;
    named.set(`${block}.attn.qkv.weight`, [3 * width, width]).set(`${block}.attn.qkv.bias`, [3 * width]);
    named.set(`${block}.attn.proj.weight`, [width, width]).set(`${block}.attn.proj.bias`, [width]);
    named.set(`${block}.mlp.fc1.weight`, [4 * width, width]).set(`${block}.mlp.fc1.bias`, [4 * width]);
    named.set(`${block}.mlp.fc2.weight`, [width, 4 * width]).set(`${block}.mlp.fc2.bias`, [width]);
  }
  named.set('text_decoder.bert.embeddings.word_embeddings.weight', [30524, 768]);
  for (let i = 0; i < 12; i++) {
    const layer = `text_decoder.bert.encoder.layer.${i}`;
    for (const part of ['attention', 'crossattention']) {
      for (const name of ['query', 'key', 'value']) {
        const input = part === 'attention' || name === 'query' ? 768 : width;
        named.set(`${layer}.${part}.self.${name}.weight`, [768, input]);
      }
      named.set(`${layer}.${part}.output.dense.weight`, [768, 768]);
    }
    named
      .set(`${layer}.intermediate.dense.weight`, [3072, 768])
      .set(`${layer}.output.dense.weight`, [768, 3072]);
  }
  return named;
}

const size = (shape) => shape.reduce((a, b) => a * b, 1);
const mb = (bytes) => `${Math.round(bytes / 1e6)} MB`;

/** Numbers that tell one tensor from another, made when they are asked for. */
function made(seed, shape) {
  const read = () => {
    const data = new Float32Array(size(shape));
    for (let i = 0, x = seed; i < data.length; i += 97) data[i] = x = (x * 69069 + 1) % 2 ** 24;
    return { dtype: 'float32', shape, data };
  };
  return { dtype: 'float32', shape, read };
}

function tree() {
  const model = new OrderedDict();
  const state = new Map();
  let seed = 0;
  for (const [name, shape] of shapes()) {
    model.set(name, made(++seed, shape));
    const step = { dtype: 'float32', shape: [], data: Float32Array.of(7) };
    state.set(state.size, { step, exp_avg: made(++seed, shape), exp_avg_sq: made(++seed, shape) });
  }
  const embedding = 'text_decoder.bert.embeddings.word_embeddings.weight';
  model.set('text_decoder.cls.predictions.decoder.weight', model.get(embedding));
  const group = {
    lr: 1e-5,
    betas: tuple(0.9, 0.999),
    eps: 1e-8,
    weight_decay: 0.05,
    params: [...state.keys()],
  };
  return { model, optimizer: { state, param_groups: [group] }, config: {}, scaler: null, epoch: 0 };
}

const parts = {
  async write(path) {
    await saveTorch(path, tree());
  },
  async read(path) {
    const checkpoint = await openCheckpoint(path);
    const expected = tree();
    const compare = async (ref, lazy) => {
      const [found, wanted] = [(await ref.read()).data, lazy.read().data];
      if (Buffer.compare(Buffer.from(found.buffer), Buffer.from(wanted.buffer)) !== 0)
        throw new Error('differs');
    };
    for (const [name, lazy] of expected.model) await compare(checkpoint.root.model.get(name), lazy);
    for (const [index, moments] of expected.optimizer.state) {
      const found = checkpoint.root.optimizer.state.get(index);
      await compare(found.exp_avg, moments.exp_avg);
      await compare(found.exp_avg_sq, moments.exp_avg_sq);
    }
    await checkpoint.close();
  },
  async convert(path) {
    await convertCheckpoint(path, path.replace(/pth$/, 'safetensors'), { dtype: 'float16' });
  },
};

if (positionals[0] in parts) {
  const before = process.memoryUsage.rss();
  const start = performance.now();
  await parts[positionals[0]](positionals[1]);
  const seconds = (performance.now() - start) / 1000;
  const peak = process.resourceUsage().maxRSS * 1024;
  console.log(JSON.stringify({ seconds, before, peak }));
} else {
  const folder = mkdtempSync(join(values.in ?? tmpdir(), 'lavis-bench-'));
  const path = join(folder, 'checkpoint_0.pth');
  const largest = Math.max(...[...shapes().values()].map((shape) => 4 * size(shape)));
  const limit = largest + 300e6;
  let failed = false;
  for (const part of Object.keys(parts)) {
    const args = [fileURLToPath(import.meta.url), part, path, '--scale', values.scale];
    const { status, stdout } = spawnSync(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    if (status !== 0) process.exit(1);
    const { seconds, before, peak } = JSON.parse(stdout);
    const bytes = statSync(path).size;
    const rate = `${mb(bytes)} in ${seconds.toFixed(1)} s (${mb(bytes / seconds)}/s)`;
    const over = peak > limit;
    failed ||= over;
    console.log(
      `${part}: ${rate}, peak ${mb(peak)} resident, ${mb(before)} before; limit ${mb(limit)}${over ? ' EXCEEDED' : ''}`,
    );
  }
  if (values.keep) console.log(path);
  else rmSync(folder, { recursive: true });
  process.exit(failed ? 1 : 0);
}
