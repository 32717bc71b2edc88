/**
 * The reference's tiny captioner on every engine of this machine: the largest differences from its loss, logits,
 * gradients, five training steps and generated sequences, as a Markdown table.
 *
 *     npx tsc -b tests && node scripts/parity/index.mjs [--devices cpu,webgpu]
 */
import { parseArgs } from 'node:util';
import { images, maxDifference, readTensors, tinyModel } from '../../build/tests/models/tiny.js';
import { fixtureJson } from '../../build/tests/support.js';
import { toFloat32 } from '../../dist/common/host_tensor.js';
import { SingleCommunicator } from '../../dist/distributed/index.js';
import { hasFloat16, setupEngine, tf, valueAndGrads } from '../../dist/engine/index.js';
import { AdamW, GradScaler } from '../../dist/optim/index.js';
import { TrainStep } from '../../dist/runners/train_step.js';
import { CaptionTask } from '../../dist/tasks/index.js';

const { values: args } = parseArgs({ options: { devices: { type: 'string', default: 'cpu,webgpu' } } });

const LR = 1e-3;
const { texts, loss } = fixtureJson('tiny_caption', 'forward.json');
const { batch_rows, accum1_5steps } = fixtureJson('tiny_caption', 'train_steps.json');
const { cases } = fixtureJson('tiny_caption', 'generation.json');
const inputs = await readTensors('tiny_caption', 'inputs.safetensors');
const pictures = (await readTensors('tiny_caption', 'generation_inputs.safetensors')).get('image');
const expected = {
  logits: (await readTensors('tiny_caption', 'forward.safetensors')).get('logits'),
  grads: await readTensors('tiny_caption', 'gradients.safetensors'),
  final: await readTensors('tiny_caption', 'train_final.safetensors'),
};

const show = (value) => (value === 0 ? '0' : value.toExponential(1));
const largestOf = (tensors) =>
  Math.max(...[...tensors.values()].map((tensor) => Math.max(...toFloat32(tensor).map(Math.abs))));
/** Attention key biases have a true gradient of 0: AdamW turns rounding noise into steps. */
const isNoise = (name) => /\.key\.bias$|\.qkv\.bias$/.test(name);

async function largestDifference(actual, wanted) {
  let worst = 0;
  for (const [name, tensor] of actual) {
    if (!isNoise(name)) worst = Math.max(worst, await maxDifference(tensor, wanted.get(name)));
  }
  return worst;
}

async function forwardAndBackward(float16) {
  const model = (await tinyModel()).train();
  const image = images(inputs.get('image'));
  let logits;
  const { value, grads } = valueAndGrads(
    () => {
      const out = model.forward({ image, text_input: texts });
      logits = tf.keep(out.intermediateOutput.decoderOutput.logits);
      return out.loss;
    },
    model.namedParameters(),
    { float16 },
  );
  const row = {
    'loss, relative': Math.abs((await value.data())[0] / loss - 1),
    logits: await maxDifference(logits, expected.logits),
    'gradients, of the largest': (await largestDifference(grads, expected.grads)) / largestOf(expected.grads),
  };
  tf.dispose([image, value, logits, ...grads.values()]);
  model.dispose();
  return row;
}

async function fiveSteps(float16) {
  const model = (await tinyModel()).train();
  const optimizer = new AdamW(model.getOptimizerParams(0.05), { lr: LR });
  // Small enough that no step is left out: the reference has none to spare.
  const scaler = float16 ? new GradScaler({ initScale: 1024 }) : undefined;
  const parts = { task: new CaptionTask({}), model, optimizer, comm: new SingleCommunicator() };
  const step = new TrainStep({ ...parts, accumGradIters: 1, scaler, float16 });
  let worst = 0;
  for (const [i, wanted] of accum1_5steps.loss.entries()) {
    const chosen = images(inputs.get('image'), batch_rows[i]);
    const image = { data: (await chosen.data()).slice(), shape: chosen.shape };
    chosen.dispose();
    const report = await step.run({ image, text_input: batch_rows[i].map((row) => texts[row]) }, LR, true);
    await report.later;
    worst = Math.max(worst, Math.abs(report.losses.loss / wanted - 1));
  }
  const weights = await largestDifference(model.namedParameters(), expected.final);
  optimizer.dispose();
  model.dispose();
  return { 'losses of 5 steps, relative': worst, 'weights after them': weights };
}

async function generation() {
  const model = (await tinyModel()).eval();
  let equal = 0;
  for (const { name, args: options, sequences } of cases) {
    const image = images(pictures, name.startsWith('single_image') ? [1] : undefined);
    const found = await model.generateDetailed(
      { image },
      {
        numBeams: options.num_beams,
        maxLength: options.max_length,
        minLength: options.min_length,
        repetitionPenalty: options.repetition_penalty,
        numCaptions: options.num_captions,
      },
    );
    image.dispose();
    if (JSON.stringify(found.sequences) === JSON.stringify(sequences)) equal++;
  }
  model.dispose();
  return { 'generated sequences that are equal': `${equal} of ${cases.length}` };
}

const columns = {};
async function measure(title, float16) {
  console.error(`${title} …`);
  columns[title] = {
    ...(await forwardAndBackward(float16)),
    ...(await fiveSteps(float16)),
    ...(float16 ? {} : await generation()),
  };
}

await tf.setBackend('cpu');
await measure("TensorFlow.js's `cpu`", false);
for (const device of args.devices.split(',')) {
  const { description } = await setupEngine({ device });
  console.error(description);
  await measure(`\`${device}\``, false);
  if (hasFloat16()) await measure(`\`${device}\`, \`amp\``, true);
}
const titles = Object.keys(columns);
const names = Object.keys(columns[titles[0]]);
console.log(`| largest difference | ${titles.join(' | ')} |`);
console.log(`| --- | ${titles.map(() => '---').join(' | ')} |`);
for (const name of names) {
  const cells = titles.map((title) => columns[title][name]);
  const shown = cells.map((cell) =>
    cell === undefined ? 'as float32' : typeof cell === 'string' ? cell : show(cell),
  );
  console.log(`| ${name} | ${shown.join(' | ')} |`);
}
process.exit(0);
