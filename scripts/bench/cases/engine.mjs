/**
 * Times the engine: matrix products, each fused operation, whole training steps, captioning.
 *
 *     node scripts/bench/index.mjs engine                       products and kernels
 *     node scripts/bench/index.mjs engine --step base --batch 4 --steps 5 [--profile] [--recompute 5] [--vocab FILE]
 *         [--tune full|frozen|remembered|lora|lora-remembered]    what is trained; remembered: embeddings in place of pixels
 *     node scripts/bench/index.mjs engine --caption base --batch 4 --steps 3 [--profile] [--quantize int8]    3 beams, 20 tokens
 *     node scripts/bench/index.mjs engine --busy                products on all cores until it is ended
 *
 * Steps and captions end with one line of JSON, for scripts/bench/index.mjs.
 */
import { parseArgs } from 'node:util';
import * as engine from '../../../dist/engine/index.js';
import { AdamW } from '../../../dist/optim/index.js';
import { CAPTION, makeCaptioner, TUNES } from '../lib/captioner.mjs';
import { captionFlops, sizesOf, stepFlops } from '../lib/flops.mjs';
import { peakGb, residentGb } from '../lib/machine.mjs';
import { productRate, timeOf } from '../lib/product_rate.mjs';
import { profileLines } from '../lib/profile.mjs';
import { median } from '../lib/statistics.mjs';

const { values: args } = parseArgs({
  options: {
    device: { type: 'string', default: 'cpu' },
    threads: { type: 'string' },
    step: { type: 'string' },
    caption: { type: 'string' },
    quantize: { type: 'string' },
    busy: { type: 'boolean', default: false },
    batch: { type: 'string', default: '4' },
    steps: { type: 'string', default: '5' },
    image: { type: 'string', default: '384' },
    recompute: { type: 'string', default: '0' },
    tune: { type: 'string', default: 'full' },
    vocab: { type: 'string', default: 'bert-base-uncased' },
    profile: { type: 'boolean', default: false },
  },
});
const { tf } = engine;
const chosen = await engine.setupEngine({
  device: args.device,
  threads: args.threads ? Number(args.threads) : undefined,
});
console.log(chosen.description);

if (!TUNES[args.tune]) {
  console.error(`unknown --tune ${args.tune}; there are ${Object.keys(TUNES).join(', ')}`);
  process.exit(2);
}
const [batch, count, image] = [args.batch, args.steps, args.image].map(Number);
/** A device that works on its own is waited for. */
const waiting = { read: args.device !== 'cpu' };

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
    const forward = timeOf(() => f(input), waiting);
    const leaf = new Map([['x', tf.variable(input)]]);
    const both = timeOf(() => {
      const { value, grads } = engine.valueAndGrads(() => f(leaf.get('x')).sum(), leaf);
      grads.get('x').dispose();
      return value;
    }, waiting);
    leaf.get('x').dispose();
    console.log(`  ${name}: ${forward.toFixed(2)}, with backward ${both.toFixed(2)}`);
  }
}

/** Of a long run the first pieces of work tell. */
const MOST_RATES = 10;

/** The rate of products by themselves around each piece of work, as a machine's speed drifts from second to second. */
async function besideProducts(work) {
  const rates = [];
  const sampleRate = () => {
    if (rates.length < MOST_RATES) rates.push(productRate({ ...waiting, runs: 5 }));
  };
  const result = await work(sampleRate);
  const peak = peakGb();
  sampleRate();
  const shares = result.times.slice(0, rates.length - 1).map((seconds, i) => {
    const rate = (rates[i] + rates[i + 1]) / 2;
    return result.flops / seconds / 1e9 / rate;
  });
  const gflops = result.flops / result.seconds / 1e9;
  return { ...result, gflops, productGflops: median(rates), share: median(shares), peakGb: peak };
}

const tell = ({ seconds, gflops, productGflops, share }) =>
  `${seconds.toFixed(2)} s, ${gflops.toFixed(0)} GFLOP/s, ${(100 * share).toFixed(0)} % of the ${productGflops.toFixed(0)} GFLOP/s of matrix products`;

/** With `--profile`, the time of each graph of one more piece of work. */
async function profileOf(work) {
  const { sessions } = tf.backend();
  if (!args.profile || !sessions) return undefined;
  sessions.profile = new Map();
  const start = performance.now();
  await work();
  const lines = profileLines(sessions.profile, (performance.now() - start) / 1000);
  sessions.profile = undefined;
  return lines;
}

/**
 * Seconds to caption a batch of images, every beam running to its last token.
 * @param before called before each time that counts
 */
async function captions(size, before) {
  const model = await makeCaptioner({ size, image, vocab: args.vocab });
  model.eval();
  if (args.quantize) model.quantize();
  const pixels = tf.randomNormal([batch, image, image, 3]);
  const times = [];
  const write = () => model.generate({ image: pixels }, { numBeams: 3, maxLength: 20, minLength: 19 });
  for (let i = 0; i < count + 1; i++) {
    if (i > 0) before();
    const start = performance.now();
    await write();
    const seconds = (performance.now() - start) / 1000;
    // The first makes the graphs and touches memory for the first time.
    if (i > 0) times.push(seconds);
    console.log(`captions ${i}: ${seconds.toFixed(2)} s, peak ${peakGb().toFixed(2)} GB`);
  }
  const flops = captionFlops(sizesOf(model), { images: batch, beams: 3, maxLength: 20 });
  return { seconds: median(times), times, flops, profile: await profileOf(write) };
}

/** One training step. @returns seconds of the whole and of its parts, and the tokens of a caption */
function trainingStep(model, optimizer, parameters, seen, texts) {
  const start = performance.now();
  const cpuStart = process.cpuUsage();
  let [forwardDone, tokens] = [0, 0];
  const { value, grads } = engine.valueAndGrads(() => {
    const { loss, intermediateOutput } = model.forward({ ...seen, text_input: texts });
    tokens = intermediateOutput.decoderOutput.logits.shape[1];
    forwardDone = performance.now();
    return loss;
  }, parameters);
  const backwardDone = performance.now();
  optimizer.step(grads, 1e-5);
  const loss = value.dataSync()[0];
  const done = performance.now();
  tf.dispose([value, ...grads.values()]);
  const { user, system } = process.cpuUsage(cpuStart);
  return {
    seconds: (done - start) / 1000,
    forward: (forwardDone - start) / 1000,
    backward: (backwardDone - forwardDone) / 1000,
    update: (done - backwardDone) / 1000,
    processor: (user + system) / 1e6,
    residentGb: residentGb(),
    tensors: tf.memory().numTensors,
    ...{ loss, tokens },
  };
}

/**
 * A first step that does not count, `--steps` that do, and with `--profile` one more.
 * @param before called before each step that counts
 */
async function trainingSteps(size, before) {
  const start = performance.now();
  const { tune, vocab } = args;
  const model = await makeCaptioner({ size, image, recompute: Number(args.recompute), vocab, tune });
  model.train();
  console.log(
    `model made in ${((performance.now() - start) / 1000).toFixed(1)} s, ${peakGb().toFixed(2)} GB`,
  );
  const parameters = model.namedParameters();
  const optimizer = new AdamW(model.getOptimizerParams(0.05), { lr: 1e-5 });
  // Remembered ones come from the cache: that they were made once is no part of a step, nor of its memory.
  const seen = tune.endsWith('remembered')
    ? { image_embeds: tf.randomNormal([batch, ...model.imageEncoding().shape]) }
    : { image: tf.randomNormal([batch, image, image, 3]) };
  const texts = Array(batch).fill(CAPTION);
  const { pool } = tf.backend();
  const steps = [];
  const take = () => trainingStep(model, optimizer, parameters, seen, texts);
  for (let i = 0; i < count + 1; i++) {
    if (i > 0) before();
    const step = take();
    if (i > 0) steps.push(step);
    console.log(
      `step ${i}: ${step.seconds.toFixed(2)} s (forward ${step.forward.toFixed(2)}, backward ${step.backward.toFixed(2)}, AdamW ${step.update.toFixed(2)}; processor ${step.processor.toFixed(2)}), loss ${step.loss.toFixed(4)}, ${step.residentGb.toFixed(2)} GB, ${step.tensors} tensors, ${JSON.stringify(pool?.statistics)}`,
    );
  }
  const profile = await profileOf(take);
  const of = (part) => median(steps.map((step) => step[part]));
  const flops = stepFlops(sizesOf(model), { images: batch, text: steps[0].tokens, tune });
  const parts = { forward: of('forward'), backward: of('backward'), update: of('update') };
  const times = steps.map(({ seconds }) => seconds);
  return { seconds: of('seconds'), times, ...parts, flops, steps, profile };
}

if (args.busy) {
  for (;;) productRate();
} else if (args.step || args.caption) {
  const work = (before) => (args.step ? trainingSteps(args.step, before) : captions(args.caption, before));
  const result = await besideProducts(work);
  if (result.profile) console.log(result.profile.join('\n'));
  console.log(`${args.step ?? args.caption}, batch ${batch}: ${tell(result)}`);
  console.log(JSON.stringify(result));
} else {
  const rate = productRate({ ...waiting, print: console.log });
  console.log(`matrix products: ${rate.toFixed(0)} GFLOP/s`);
  kernels();
}
process.exit(0);
