/**
 * One measurement on a graphics card, in a process of its own; the last line is JSON. For scripts/bench/cases/gpu.mjs.
 *
 *     node scripts/bench/lib/gpu_work.mjs --work step|caption --size base --batch 8 [--amp] [--device webgpu]
 */
import { parseArgs } from 'node:util';
import { SingleCommunicator } from '../../../dist/distributed/index.js';
import { matMulHalf, packHalf } from '../../../dist/engine/fused/half.js';
import { deviceMemory, hasFloat16, setupEngine, tf } from '../../../dist/engine/index.js';
import { AdamW, GradScaler } from '../../../dist/optim/index.js';
import { TrainStep } from '../../../dist/runners/train_step.js';
import { CaptionTask } from '../../../dist/tasks/index.js';
import { CAPTION, makeCaptioner } from './captioner.mjs';
import { captionFlops, sizesOf, stepFlops } from './flops.mjs';
import { SHAPES } from './product_rate.mjs';
import { median } from './statistics.mjs';

const { values: args } = parseArgs({
  options: {
    work: { type: 'string', default: 'step' },
    size: { type: 'string', default: 'base' },
    batch: { type: 'string', default: '8' },
    steps: { type: 'string', default: '10' },
    image: { type: 'string', default: '384' },
    amp: { type: 'boolean', default: false },
    device: { type: 'string', default: 'webgpu' },
    vocab: { type: 'string', default: 'bert-base-uncased' },
  },
});
const [batch, steps, image] = [args.batch, args.steps, args.image].map(Number);
const BEAMS = 3;
const LONGEST = 20;

/** Waits for the card by reading one number of what it computes last. */
const finish = async (x) => {
  const one = tf.tidy(() => x.reshape([-1]).slice([0], [1]));
  await one.data();
  one.dispose();
};

/** Seconds of f, `times` in a row without waiting in between. @param f makes a tensor */
async function secondsOf(f, times) {
  const round = async () => {
    const start = performance.now();
    for (let i = 1; i < times; i++) f().dispose();
    const last = f();
    await finish(last);
    last.dispose();
    return (performance.now() - start) / 1000 / times;
  };
  await round();
  return round();
}

/** GFLOP/s of matrix products by themselves. */
async function productRate(float16) {
  let [flops, seconds] = [0, 0];
  // With the model that the benchmark is tried with, products that software gets done too.
  const shrink = args.size === 'small' ? 8 : 1;
  for (const shape of SHAPES) {
    const [rows, depth, columns] = shape.map((length) => 2 * Math.round(length / shrink / 2));
    const [a, b] = [tf.randomNormal([rows, depth]), tf.randomNormal([depth, columns])];
    const [x, y] = float16 ? [packHalf(a), packHalf(b)] : [a, b];
    const product = () => (float16 ? matMulHalf(x, y, { rows, columns, depth }) : tf.matMul(x, y));
    const once = await secondsOf(product, 1);
    // About a second, so that starting and reading do not count.
    seconds += await secondsOf(product, Math.max(1, Math.min(200, Math.round(1 / once))));
    flops += 2 * rows * columns * depth;
    tf.dispose([a, b, ...(float16 ? [x, y] : [])]);
  }
  return flops / seconds / 1e9;
}

/** Seconds of a training step, the card never waited for but at the end. */
async function trainingSteps(model) {
  const scaler = args.amp ? new GradScaler({ initScale: 1024 }) : undefined;
  const optimizer = new AdamW(model.train().getOptimizerParams(0.05), { lr: 1e-5 });
  const parts = { task: new CaptionTask({}), model, optimizer, comm: new SingleCommunicator() };
  const step = new TrainStep({ ...parts, accumGradIters: 1, scaler, float16: args.amp });
  const pixels = Float32Array.from({ length: batch * image * image * 3 }, () => 2 * Math.random() - 1);
  const samples = {
    image: { data: pixels, shape: [batch, image, image, 3] },
    text_input: Array(batch).fill(CAPTION),
  };
  const run = async (count) => {
    let report;
    const start = performance.now();
    for (let i = 0; i < count; i++) report = await step.run(samples, 1e-5, true);
    await report.later;
    const [weights] = model.namedParameters().values();
    await finish(weights);
    if (!Number.isFinite(report.losses.loss)) throw new Error(`the loss is ${report.losses.loss}`);
    return (performance.now() - start) / 1000 / count;
  };
  await run(2); // shaders are compiled, buffers made
  const seconds = await run(steps);
  const text = model.tokenizer.encode(CAPTION).length;
  return { seconds, flops: stepFlops(sizesOf(model), { images: batch, text }) };
}

async function captions(model) {
  const pixels = tf.randomNormal([batch, image, image, 3]);
  const times = [];
  for (let i = 0; i < steps + 1; i++) {
    const start = performance.now();
    await model
      .eval()
      .generate({ image: pixels }, { numBeams: BEAMS, maxLength: LONGEST, minLength: LONGEST - 1 });
    if (i > 0) times.push((performance.now() - start) / 1000);
  }
  const flops = captionFlops(sizesOf(model), { images: batch, beams: BEAMS, maxLength: LONGEST });
  return { seconds: median(times), flops };
}

const { description } = await setupEngine({ device: args.device });
console.error(description);
if (args.amp && !hasFloat16()) throw new Error(`${args.device} has no float16`);
const model = await makeCaptioner({ size: args.size, image, vocab: args.vocab });
const { seconds, flops } = await (args.work === 'step' ? trainingSteps(model) : captions(model));
const memory = tf.backend().bufferManager?.peakBytes ?? deviceMemory();
const productGflops = await productRate(args.amp);
const gflops = flops / seconds / 1e9;
const result = { seconds, gflops, productGflops, share: gflops / productGflops, description };
console.log(JSON.stringify({ ...result, peakGb: memory && memory / 1e9 }));
process.exit(0);
