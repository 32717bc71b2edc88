/**
 * Times the engine: matrix products, each fused operation, and whole training steps.
 *
 *     node scripts/bench_engine.mjs                       products and kernels
 *     node scripts/bench_engine.mjs --step base --batch 4 --steps 5 [--profile] [--vocab FILE]
 *     node scripts/bench_engine.mjs --caption base --batch 4 --steps 3    3 beams, at most 20 tokens
 *
 * A step and a caption end with one line of JSON, for scripts/bench.mjs.
 */
import { parseArgs } from 'node:util';
import * as engine from '../dist/engine/index.js';
import { AdamW } from '../dist/optim/index.js';

const { values: args } = parseArgs({
  options: {
    device: { type: 'string', default: 'cpu' },
    threads: { type: 'string' },
    step: { type: 'string' },
    caption: { type: 'string' },
    batch: { type: 'string', default: '4' },
    steps: { type: 'string', default: '5' },
    recompute: { type: 'string', default: '0' },
    vocab: { type: 'string', default: '../shared/bert-base-uncased/vocab.txt' },
    profile: { type: 'boolean', default: false },
  },
});
const { tf } = engine;
const chosen = await engine.setupEngine({
  device: args.device,
  threads: args.threads ? Number(args.threads) : undefined,
});
console.log(chosen.description);

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const peakGb = () => process.resourceUsage().maxRSS / 2 ** 20;

/** Median milliseconds of f, whose tensors are disposed. */
function time(f, runs = 9) {
  const times = [];
  for (let i = 0; i < runs + 2; i++) {
    const start = performance.now();
    tf.tidy(() => {
      const y = f();
      if (args.device !== 'cpu') y.dataSync();
    });
    if (i >= 2) times.push(performance.now() - start);
  }
  return median(times);
}

/** GFLOP/s of the products of a ViT-B block at 4 images of 577 tokens. */
function matmulRate() {
  const shapes = [
    [2308, 768, 3072],
    [2308, 3072, 768],
    [2308, 768, 2304],
    [2308, 768, 768],
  ];
  let flops = 0;
  let ms = 0;
  for (const [m, k, n] of shapes) {
    const a = tf.randomNormal([m, k]);
    const b = tf.randomNormal([k, n]);
    const taken = time(() => tf.matMul(a, b));
    tf.dispose([a, b]);
    flops += 2 * m * k * n;
    ms += taken;
    console.log(
      `  matMul ${m} x ${k} x ${n}: ${taken.toFixed(1)} ms, ${((2 * m * k * n) / taken / 1e6).toFixed(0)} GFLOP/s`,
    );
  }
  return flops / ms / 1e6;
}

function kernels() {
  const x = tf.randomNormal([4, 577, 768]);
  const wide = tf.randomNormal([4, 577, 3072]);
  const w = tf.variable(tf.randomNormal([3072, 768], 0, 0.02));
  const bias = tf.variable(tf.zeros([3072]));
  const gain = tf.variable(tf.ones([768]));
  const logits = tf.randomNormal([64, 30524]);
  const labels = tf.range(0, 64, 1, 'int32');
  const cases = {
    'add [4, 577, 768]': [(a) => a.add(x), x],
    'linear 768 -> 3072': [(a) => engine.linear(a, w, bias), x],
    layerNorm: [(a) => engine.layerNorm(a, gain, gain, 1e-6), x],
    'gelu 3072 wide': [engine.gelu, wide],
    'attention, 577 tokens, 12 heads': [(a) => engine.attention(a, a, a, { numHeads: 12 }), x],
    'softmaxCrossEntropy [64, 30524]': [
      (a) => engine.softmaxCrossEntropy(a, labels, { labelSmoothing: 0.1 }),
      logits,
    ],
    'dropout [4, 577, 768]': [(a) => engine.dropout(a, 0.1, 3), x],
  };
  console.log('forward and backward, ms');
  for (const [name, [f, input]] of Object.entries(cases)) {
    const forward = time(() => f(input));
    const leaf = new Map([['x', tf.variable(input)]]);
    const both = time(() => {
      const { value, grads } = engine.valueAndGrads(() => f(leaf.get('x')).sum(), leaf);
      grads.get('x').dispose();
      return value;
    });
    leaf.get('x').dispose();
    console.log(`  ${name}: ${forward.toFixed(2)}, with backward ${both.toFixed(2)}`);
  }
}

/** Floating-point operations of one training step, products only: forward once, backward twice. */
function stepFlops({ width, depth, tokens, text, batch, mask }) {
  const rows = batch * tokens;
  const vit = depth * (2 * rows * 12 * width * width + 4 * batch * tokens * tokens * width);
  const patches = 2 * rows * 768 * width;
  const words = batch * text;
  const layer =
    2 * words * (4 + 2 + 8) * 768 * 768 +
    2 * rows * 2 * width * 768 +
    4 * batch * text * (tokens + text) * 768;
  const head = 2 * words * 768 * (768 + 30524);
  return 3 * (vit + patches + 12 * layer + head) + (mask ?? 0);
}

/** A captioner of random weights at 384 pixels. */
async function makeModel(size, layers) {
  const { registry } = await import('../dist/index.js');
  return registry.getModelClass('blip_caption').fromConfig({
    arch: 'blip_caption',
    model_type: `${size}_coco`,
    load_finetuned: false,
    load_pretrained: false,
    vit_type: size,
    vit_grad_ckpt: layers > 0,
    vit_ckpt_layer: layers,
    image_size: 384,
    med_config_path: `configs/models/med_${size === 'large' ? 'large_' : ''}config.json`,
    prompt: 'a picture of ',
    tokenizer: args.vocab,
  });
}

/** Seconds to caption a batch of images, every beam running to its last token. */
async function captions(size) {
  const batch = Number(args.batch);
  const model = await makeModel(size, 0);
  model.eval();
  const image = tf.randomNormal([batch, 384, 384, 3]);
  const times = [];
  for (let i = 0; i < Number(args.steps); i++) {
    const start = performance.now();
    await model.generate({ image }, { numBeams: 3, maxLength: 20, minLength: 19 });
    times.push((performance.now() - start) / 1000);
    console.log(`captions ${i}: ${times[i].toFixed(2)} s, peak ${peakGb().toFixed(2)} GB`);
  }
  console.log(JSON.stringify({ seconds: median(times), peakGb: peakGb() }));
}

async function trainingSteps(size) {
  const batch = Number(args.batch);
  const start = performance.now();
  const model = await makeModel(size, Number(args.recompute));
  model.train();
  console.log(
    `model made in ${((performance.now() - start) / 1000).toFixed(1)} s, ${peakGb().toFixed(2)} GB`,
  );
  const parameters = model.namedParameters();
  const optimizer = new AdamW(model.getOptimizerParams(0.05), { lr: 1e-5 });
  const image = tf.randomNormal([batch, 384, 384, 3]);
  const text = Array(batch).fill('a picture of a brown dog that runs over the green grass with a ball');
  const { sessions, pool } = tf.backend();
  const times = [];
  let tokens = 0;
  for (let i = 0; i < Number(args.steps) + 1; i++) {
    if (args.profile && sessions && i === Number(args.steps)) sessions.profile = new Map();
    const t0 = performance.now();
    const cpu0 = process.cpuUsage();
    let t1 = 0;
    const { value, grads } = engine.valueAndGrads(() => {
      const { loss, intermediateOutput } = model.forward({ image, text_input: text });
      tokens = intermediateOutput.decoderOutput.logits.shape[1];
      t1 = performance.now();
      return loss;
    }, parameters);
    const t2 = performance.now();
    optimizer.step(grads, 1e-5);
    const t3 = performance.now();
    const { user, system } = process.cpuUsage(cpu0);
    const loss = value.dataSync()[0];
    tf.dispose([value, ...grads.values()]);
    const seconds = [t3 - t0, t1 - t0, t2 - t1, t3 - t2].map((ms) => ms / 1000);
    if (i > 0) times.push(seconds);
    console.log(
      `step ${i}: ${seconds[0].toFixed(2)} s (forward ${seconds[1].toFixed(2)}, backward ${seconds[2].toFixed(2)}, AdamW ${seconds[3].toFixed(2)}; processor ${((user + system) / 1e6).toFixed(2)}), loss ${loss.toFixed(4)}, peak ${peakGb().toFixed(2)} GB, ${tf.memory().numTensors} tensors, ${JSON.stringify(pool?.statistics)}`,
    );
  }
  const [width, depth] = size === 'base' ? [768, 12] : [1024, 24];
  const flops = stepFlops({ width, depth, tokens: 577, text: tokens, batch });
  const seconds = median(times.map(([total]) => total));
  const profile = sessions?.profile;
  if (sessions) sessions.profile = undefined;
  const rate = matmulRate();
  const used = flops / seconds / 1e9;
  console.log(
    `${size}, batch ${batch}, ${tokens} words: ${seconds.toFixed(2)} s a step, ${used.toFixed(0)} GFLOP/s, ${((100 * used) / rate).toFixed(0)} % of the ${rate.toFixed(0)} GFLOP/s of matrix products`,
  );
  if (profile) printProfile(profile);
  console.log(JSON.stringify({ seconds, peakGb: peakGb(), gflops: used, productGflops: rate }));
}

function printProfile(profile) {
  const rows = [...profile].sort(([, a], [, b]) => b.ms - a.ms);
  const total = rows.reduce((sum, [, { ms }]) => sum + ms, 0);
  console.log(`graphs of the last step: ${(total / 1000).toFixed(2)} s`);
  console.log('     time  processor    runs');
  for (const [key, { ms, cpuMs, runs }] of rows.slice(0, 30)) {
    console.log(
      `  ${(ms / 1000).toFixed(3)} s   ${(cpuMs / 1000).toFixed(3)} s ${String(runs).padStart(7)}  ${key}`,
    );
  }
}

if (args.step) await trainingSteps(args.step);
else if (args.caption) await captions(args.caption);
else {
  console.log(`matrix products: ${matmulRate().toFixed(0)} GFLOP/s`);
  kernels();
}
process.exit(0);
