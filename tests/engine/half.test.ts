import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { convertFloat, toFloat32 } from '#src/common/host_tensor.js';
import type { PlainObject } from '#src/config/index.js';
import type { Batch } from '#src/datasets/index.js';
import { SingleCommunicator } from '#src/distributed/index.js';
import { matMulHalf, packHalf, unpackHalf } from '#src/engine/fused/half.js';
import { hasFloat16, setupEngine, tf, valueAndGrads } from '#src/engine/index.js';
import { BlipCaption } from '#src/models/index.js';
import { AdamW, GradScaler } from '#src/optim/index.js';
import { TrainStep } from '#src/runners/train_step.js';
import { CaptionTask } from '#src/tasks/index.js';
import { images, readTensors, tinyModel, tinySection } from '../models/tiny.js';
import { fixtureJson } from '../support.js';
import { sample } from './gradients.js';
import { product } from './products.js';
import { noWebGpu } from './webgpu_here.js';

/** The numbers as float16 holds them. */
function rounded(values: Float32Array): Float32Array {
  const tensor = { dtype: 'float32' as const, shape: [values.length], data: values };
  return toFloat32(convertFloat(tensor, 'float16'));
}

const { batch_rows } = fixtureJson<{ batch_rows: number[][] }>('tiny_caption', 'train_steps.json');
const { texts } = fixtureJson<{ texts: string[] }>('tiny_caption', 'forward.json');

/** Attention key biases have a true gradient of 0: what is there is rounding. */
const isNoise = (name: string) => /\.key\.bias$|\.qkv\.bias$/.test(name);

describe('float16 on WebGPU', { skip: noWebGpu }, () => {
  before(() => setupEngine({ device: 'webgpu' }));

  test('numbers become the nearest of float16, and infinite beyond its range', () => {
    const special = [0, -0, 1, 65504, 65519, 65520, -65520, 1e30, 2 ** -14, 1e-3, -0.3333333];
    const numbers = Float32Array.of(...special, ...sample([1000]).dataSync(), Infinity, -Infinity);
    const x = tf.tensor1d(numbers);
    const back = unpackHalf(packHalf(x), x.shape).dataSync();
    assert.equal(back.length, numbers.length);
    assert.deepEqual(Array.from(back), Array.from(rounded(numbers)));
    assert.ok(Number.isNaN(unpackHalf(packHalf(tf.tensor1d([Number.NaN])), [1]).dataSync()[0]));
  });

  for (const [rows, columns, depth] of [
    [64, 64, 16],
    [70, 130, 34],
    [2, 2, 3000],
    [130, 66, 1026],
  ]) {
    for (const [transposeA, transposeB] of [
      [false, true],
      [false, false],
      [true, false],
      [true, true],
    ]) {
      const which = { rows, columns, depth, transposeA, transposeB };
      test(`a product is exact but for the rounding of its factors: ${JSON.stringify(which)}`, () => {
        const [a, b, bias] = [sample([rows * depth], 1), sample([depth * columns], 2), sample([columns], 3)];
        const expected = product(
          rounded(a.dataSync() as Float32Array),
          rounded(b.dataSync() as Float32Array),
          which,
        );
        const found = matMulHalf(packHalf(a), packHalf(b), which).dataSync();
        const biased = matMulHalf(packHalf(a), packHalf(b), which, bias).dataSync();
        const added = bias.dataSync();
        assert.equal(found.length, expected.length);
        for (const [i, value] of expected.entries()) {
          const within = 2e-6 * Math.sqrt(depth) + 1e-6 * Math.abs(value);
          assert.ok(Math.abs(found[i] - value) <= within, `${i}: ${found[i]}, not ${value}`);
          assert.ok(Math.abs(biased[i] - value - added[i % columns]) <= 2 * within);
        }
      });
    }
  }

  test('loss and gradients of the model are those of float32 to a hundredth', async () => {
    const model = (await tinyModel()).train();
    const image = images((await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!);
    const run = async (float16: boolean) => {
      const begin = tf.memory().numBytes;
      const { value, grads } = valueAndGrads(
        () => model.forward({ image, text_input: texts }).loss,
        model.namedParameters(),
        { float16 },
      );
      const loss = (await value.data())[0];
      const result = { loss, grads, left: 0 };
      value.dispose();
      result.left = tf.memory().numBytes - begin;
      return result;
    };
    const [whole, half] = [await run(false), await run(true)];
    assert.notEqual(half.loss, whole.loss);
    assert.ok(Math.abs(half.loss - whole.loss) <= 1e-3 * whole.loss, `${half.loss}, ${whole.loss}`);
    assert.equal(half.left, whole.left);
    assert.deepEqual([...half.grads.keys()], [...whole.grads.keys()]);
    const largest = Math.max(...[...whole.grads.values()].map((grad) => norm(grad) / Math.sqrt(grad.size)));
    for (const [name, grad] of whole.grads) {
      const off = norm(tf.sub(half.grads.get(name)!, grad));
      // Of tensors that hardly count, the rounding of larger ones is most.
      const within = isNoise(name) ? 1e-2 * largest * Math.sqrt(grad.size) : 1e-2 * norm(grad);
      assert.ok(off <= within, `${name} is off by ${off}, its norm is ${norm(grad)}`);
    }
    tf.dispose([image, ...whole.grads.values(), ...half.grads.values()]);
    model.dispose();
  });

  test('blocks that are computed again give the same loss and gradients', async () => {
    const image = images((await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!, [0, 1]);
    const run = async (overrides: PlainObject) => {
      const model = (await tinyModel(overrides)).train();
      const samples = { image, text_input: texts.slice(0, 2) };
      const variables = model.namedParameters();
      const { value, grads } = valueAndGrads(() => model.forward(samples).loss, variables, { float16: true });
      const values = new Map([...grads].map(([name, grad]) => [name, grad.dataSync()]));
      const loss = value.dataSync();
      tf.dispose([value, ...grads.values()]);
      model.dispose();
      return { loss, values };
    };
    const kept = await run({});
    const again = await run({ vit_grad_ckpt: true, vit_ckpt_layer: 1 });
    assert.deepEqual(again.loss, kept.loss);
    assert.deepEqual([...again.values.keys()].sort(), [...kept.values.keys()].sort());
    for (const [name, values] of kept.values) assert.deepEqual(again.values.get(name), values, name);
    image.dispose();
  });

  test('what is kept for the backward pass takes less memory by a quarter and more', async () => {
    const section = { vit_embed_dim: 64, vit_depth: 6, vit_num_heads: 2, image_size: 128 };
    const model = await BlipCaption.fromConfig(tinySection(section, { encoder_width: 64 }), { seed: 1 });
    const image = tf.randomNormal<tf.Rank.R4>([2, 128, 128, 3], 0, 1, 'float32', 1);
    const kept = (float16: boolean) => {
      let bytes = 0;
      const before = tf.memory().numBytes;
      const { value, grads } = valueAndGrads(
        () => model.train().forward({ image, text_input: texts.slice(0, 2) }).loss,
        model.namedParameters(),
        {
          float16,
          onGrad: () => {
            bytes ||= tf.memory().numBytes - before;
          },
        },
      );
      tf.dispose([value, ...grads.values()]);
      return bytes;
    };
    const [whole, half] = [kept(false), kept(true)];
    assert.ok(half <= 0.72 * whole, `${half} bytes, ${whole} in float32`);
    image.dispose();
    model.dispose();
  });

  test('a training reaches the loss of float32, from a scale that overflows at first', async () => {
    const image = (await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!;
    const batches = batch_rows.map((rows): Batch => {
      const chosen = images(image, rows);
      const data = (chosen.dataSync() as Float32Array).slice();
      chosen.dispose();
      return { image: { data, shape: [rows.length, 64, 64, 3] }, text_input: rows.map((row) => texts[row]) };
    });
    const train = async (scaler?: GradScaler) => {
      const model = (await tinyModel()).train();
      const optimizer = new AdamW(model.getOptimizerParams(0.05), { lr: 1e-3 });
      const task = new CaptionTask();
      const parts = { task, model, optimizer, comm: new SingleCommunicator(), accumGradIters: 1 };
      const step = new TrainStep({ ...parts, scaler, float16: scaler !== undefined });
      const losses: number[] = [];
      let skipped = 0;
      while (losses.length < 20) {
        const report = await step.run(batches[losses.length % 5], 1e-3, true);
        const { gradNorm } = (await report.later)!;
        if (Number.isFinite(gradNorm)) losses.push(report.losses.loss);
        else skipped++;
        assert.ok(skipped <= 12, 'the scale does not get small enough');
      }
      optimizer.dispose();
      model.dispose();
      return { losses, skipped };
    };
    const scaler = new GradScaler({ initScale: 2 ** 26 });
    const [half, whole] = [await train(scaler), await train()];
    assert.ok(half.skipped > 0);
    assert.equal(scaler.scale, 2 ** (26 - half.skipped));
    assert.ok(whole.losses[15] < 0.5 * whole.losses[0], String(whole.losses));
    for (const [i, loss] of whole.losses.entries()) {
      assert.ok(Math.abs(half.losses[i] - loss) <= 0.03 * loss, `${half.losses}, in float32 ${whole.losses}`);
    }
  });
});

const norm = (x: tf.Tensor) => tf.tidy(() => x.square().sum().sqrt().dataSync()[0]);

test('the CPU engine has no float16', async () => {
  await setupEngine({ device: 'cpu' });
  assert.equal(hasFloat16(), false);
});
