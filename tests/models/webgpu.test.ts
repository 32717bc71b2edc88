import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type HostTensor, toFloat32 } from '#src/common/host_tensor.js';
import { setupEngine, tf, valueAndGrads } from '#src/engine/index.js';
import type { BlipCaption } from '#src/models/index.js';
import { AdamW } from '#src/optim/index.js';
import { noWebGpu } from '../engine/webgpu_here.js';
import { fixtureJson } from '../support.js';
import { images, maxDifference, readTensors, tinyModel } from './tiny.js';

interface Case {
  name: string;
  args: { num_beams?: number; max_length?: number; min_length?: number; repetition_penalty?: number };
  sequences: number[][];
  captions: string[];
}

const LR = 1e-3;
const { texts, loss } = fixtureJson<{ texts: string[]; loss: number }>('tiny_caption', 'forward.json');
const training = fixtureJson<{ batch_rows: number[][]; accum1_5steps: { loss: number[] } }>(
  'tiny_caption',
  'train_steps.json',
);
const { cases } = fixtureJson<{ cases: Case[] }>('tiny_caption', 'generation.json');

/** The heart of the parity suite, small enough for a software adapter; LAVIS_TEST_DEVICES=webgpu runs all of it. */
describe('the tiny model of the reference, on WebGPU', { skip: noWebGpu }, () => {
  let model: BlipCaption;
  let image: HostTensor;
  let logits: tf.Tensor | undefined;

  before(async () => {
    await setupEngine({ device: 'webgpu' });
    model = await tinyModel();
    image = (await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!;
  });
  after(() => model.dispose());

  it('gives the loss, logits and gradients of the reference', async () => {
    const expected = await readTensors('tiny_caption', 'gradients.safetensors');
    const forward = await readTensors('tiny_caption', 'forward.safetensors');
    const batch = images(image);
    const { value, grads } = valueAndGrads(() => {
      const out = model.train().forward({ image: batch, text_input: texts });
      tf.keep(out.intermediateOutput.decoderOutput.logits);
      logits = out.intermediateOutput.decoderOutput.logits;
      return out.loss;
    }, model.namedParameters());
    assert.ok(Math.abs((await value.data())[0] - loss) <= 1e-5);
    assert.ok((await maxDifference(logits!, forward.get('logits')!)) <= 1e-4);
    const largest = Math.max(...[...expected.values()].map((g) => Math.max(...toFloat32(g).map(Math.abs))));
    assert.deepEqual([...grads.keys()].sort(), [...expected.keys()].sort());
    for (const [name, grad] of grads) {
      const difference = await maxDifference(grad, expected.get(name)!);
      assert.ok(difference <= 1e-4 * largest, `${name} is off by ${difference}`);
    }
    tf.dispose([batch, value, logits!, ...grads.values()]);
  });

  for (const { name, args, sequences, captions } of cases.filter(({ name }) => /^beam3_reppen$/.test(name))) {
    it(`generates the sequences and captions of the reference: ${name}`, async () => {
      const inputs = await readTensors('tiny_caption', 'generation_inputs.safetensors');
      const batch = images(inputs.get('image')!);
      const found = await model.eval().generateDetailed(
        { image: batch },
        {
          numBeams: args.num_beams,
          maxLength: args.max_length,
          minLength: args.min_length,
          repetitionPenalty: args.repetition_penalty,
        },
      );
      assert.deepEqual(found.sequences, sequences);
      assert.deepEqual(found.captions, captions);
      batch.dispose();
    });
  }

  it('trains with the losses of the reference, and its memory stays flat', async () => {
    const optimizer = new AdamW(model.getOptimizerParams(0.05), { lr: LR });
    const losses: number[] = [];
    const memory: object[] = [];
    for (let step = 0; step < 7; step++) {
      const rows = training.batch_rows[step % 5];
      const batch = images(image, rows);
      const samples = { image: batch, text_input: rows.map((row) => texts[row]) };
      const { value, grads } = valueAndGrads(
        () => model.train().forward(samples).loss as tf.Scalar,
        model.namedParameters(),
      );
      optimizer.step(grads, LR);
      losses.push((await value.data())[0]);
      tf.dispose([batch, value, ...grads.values()]);
      const { numTensors, numBytes } = tf.memory();
      if (step >= 4) memory.push({ numTensors, numBytes });
    }
    for (const [step, expected] of training.accum1_5steps.loss.entries()) {
      const off = Math.abs(losses[step] - expected);
      assert.ok(off <= 1e-4 * expected, `step ${step}: ${losses[step]}, not ${expected}`);
    }
    for (const one of memory) assert.deepEqual(one, memory[0]);
    optimizer.dispose();
  });
});
