import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { Batch } from '#src/datasets/index.js';
import { SingleCommunicator } from '#src/distributed/index.js';
import { setupEngine, tf } from '#src/engine/index.js';
import type { BlipCaption } from '#src/models/index.js';
import { AdamW, GradScaler } from '#src/optim/index.js';
import { Meters } from '#src/runners/meters.js';
import { TrainStep } from '#src/runners/train_step.js';
import { CaptionTask } from '#src/tasks/index.js';
import { imageOf } from '../datasets/support.js';
import { images, maxDifference, readTensors, tinyModel } from '../models/tiny.js';
import { fixtureJson } from '../support.js';

interface Steps {
  batch_rows: number[][];
  accum1_5steps: { loss: number[]; log_line: Record<string, string> };
  accum2_6steps: { loss: number[]; final: Finals };
  accum2_5steps_2epochs: { epochs: { loss: number[] }[] };
}
type Finals = Record<string, { l2: number; first: number[] }>;

const LR = 1e-3;
const expected = fixtureJson<Steps>('tiny_caption', 'train_steps.json');
const { texts } = fixtureJson<{ texts: string[] }>('tiny_caption', 'forward.json');

/** Attention key biases have a true gradient of 0: AdamW turns rounding noise into steps. */
const tolerance = (name: string) => (/\.key\.bias$|\.qkv\.bias$/.test(name) ? 5 * LR : 5e-5);

const comm = new SingleCommunicator();
const task = new CaptionTask();
let batches: Batch[];

before(async () => {
  await setupEngine({ device: 'cpu' });
  const image = (await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!;
  batches = expected.batch_rows.map((rows) => {
    const chosen = images(image, rows);
    const data = chosen.dataSync() as Float32Array;
    chosen.dispose();
    return {
      image: { data: data.slice(), shape: [rows.length, 64, 64, 3] },
      text_input: rows.map((row) => texts[row]),
    };
  });
});

async function trainer(
  accumGradIters: number,
  scaler?: GradScaler,
): Promise<{ model: BlipCaption; step: TrainStep }> {
  const model = await tinyModel();
  model.train();
  const optimizer = new AdamW(model.getOptimizerParams(0.05), { lr: LR });
  return { model, step: new TrainStep({ task, model, optimizer, accumGradIters, comm, scaler }) };
}

function closeLosses(actual: number[], wanted: number[]): void {
  for (const [i, loss] of wanted.entries()) {
    assert.ok(
      Math.abs(actual[i] - loss) <= 1e-4 * loss,
      `step ${i}: ${actual[i]}, the reference has ${loss}`,
    );
  }
}

describe('training steps', () => {
  it("five steps have the reference's losses, log line and final parameters", async () => {
    const { model, step } = await trainer(1);
    const meters = new Meters();
    const losses: number[] = [];
    for (const batch of batches.slice(0, 5)) {
      const report = await step.run(batch, LR, true);
      losses.push(report.losses.loss);
      meters.update({ lr: LR, ...report.losses });
    }
    closeLosses(losses, expected.accum1_5steps.loss);
    assert.deepEqual(meters.summary(), expected.accum1_5steps.log_line);
    const final = await readTensors('tiny_caption', 'train_final.safetensors');
    for (const [name, parameter] of model.namedParameters()) {
      const difference = await maxDifference(parameter, final.get(name)!);
      assert.ok(difference <= tolerance(name), `${name} is off by ${difference}`);
    }
  });

  it("two micro-batches an update have the reference's losses, undivided, and final parameters", async () => {
    const { model, step } = await trainer(2);
    const losses: number[] = [];
    for (const [i, batch] of batches.entries()) {
      losses.push((await step.run(batch, LR, i % 2 === 1)).losses.loss);
    }
    closeLosses(losses, expected.accum2_6steps.loss);
    for (const [name, { l2, first }] of Object.entries(expected.accum2_6steps.final)) {
      const values = model.namedParameters().get(name)!.dataSync() as Float32Array;
      const within = tolerance(name);
      first.forEach((value, i) => {
        assert.ok(Math.abs(values[i] - value) <= within, `${name}[${i}]`);
      });
      const norm = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
      assert.ok(Math.abs(norm - l2) <= within * Math.sqrt(values.length), `${name}: norm ${norm}, not ${l2}`);
    }
  });

  it('the gradient of an update is the mean over its micro-batches', async () => {
    // AdamW hardly tells a gradient from twice that gradient: the norm does, which clipping and logs go by.
    const [single, twice] = [await trainer(1), await trainer(2)];
    const { gradNorm } = await single.step.run(batches[0], LR, true);
    await twice.step.run(batches[0], LR, false);
    const report = await twice.step.run(batches[0], LR, true);
    assert.ok(gradNorm);
    assert.ok(
      Math.abs(report.gradNorm! - gradNorm) <= 1e-5 * gradNorm,
      `${report.gradNorm}, not ${gradNorm}`,
    );
  });

  it('a scaled loss gives the same steps, to the last bit', async () => {
    const [plain, scaled] = [await trainer(2), await trainer(2, new GradScaler())];
    for (const [i, batch] of batches.slice(0, 4).entries()) {
      const reports = [
        await plain.step.run(batch, LR, i % 2 === 1),
        await scaled.step.run(batch, LR, i % 2 === 1),
      ];
      assert.deepEqual(reports[1], reports[0]);
    }
    for (const [name, parameter] of plain.model.namedParameters()) {
      assert.deepEqual(scaled.model.namedParameters().get(name)!.dataSync(), parameter.dataSync(), name);
    }
  });

  it('an update that overflows under a scaler is left out, the scale halves, and the run goes on', async () => {
    const scaler = new GradScaler({ initScale: 2 ** 160 });
    const { model, step } = await trainer(1, scaler);
    const before = [...model.namedParameters().values()].map((parameter) => parameter.dataSync().slice());
    const report = await step.run(batches[0], LR, true);
    assert.equal(report.bad, undefined);
    assert.ok(!Number.isFinite(report.gradNorm));
    assert.equal(scaler.scale, 2 ** 159);
    assert.equal(step.accumulated.size, 0);
    [...model.namedParameters().values()].forEach((parameter, i) => {
      assert.deepEqual(parameter.dataSync(), before[i]);
    });
  });

  it('micro-batches that make no whole update do not carry into the next epoch', async () => {
    const { step } = await trainer(2);
    const epochs: number[][] = [];
    for (let epoch = 0; epoch < 2; epoch++) {
      const losses: number[] = [];
      for (const [i, batch] of batches.slice(0, 5).entries()) {
        losses.push((await step.run(batch, LR, i % 2 === 1)).losses.loss);
      }
      assert.ok(step.accumulated.size > 0);
      step.reset();
      assert.equal(step.accumulated.size, 0);
      epochs.push(losses);
    }
    const [first, second] = expected.accum2_5steps_2epochs.epochs;
    closeLosses(epochs[0], first.loss);
    // Equal up to the second epoch's first update, where the reference adds the leftover gradient.
    closeLosses(epochs[1], second.loss.slice(0, 2));
    assert.ok(Math.abs(epochs[1][2] - second.loss[2]) > 1e-3);
  });

  it('tensors do not leak: memory after step 3 equals memory after step 30', async () => {
    const { model, step } = await trainer(2);
    const small = { ...batches[0], image: { ...imageOf(batches[0]) } };
    const counts: { tensors: number; bytes: number }[] = [];
    for (let i = 1; i <= 30; i++) {
      await step.run(small, 1e-5, i % 3 === 0);
      const { numTensors: tensors, numBytes: bytes } = tf.memory();
      if (i === 3 || i === 30) counts.push({ tensors, bytes });
    }
    assert.deepEqual(counts[1], counts[0]);
    model.dispose();
  });

  it('a gradient that overflows without a scaler is reported, changes nothing and is forgotten', async () => {
    const { model, step } = await trainer(1);
    const bias = model.namedParameters().get('visual_encoder.norm.bias')!;
    step.restore(new Map([['visual_encoder.norm.bias', tf.fill(bias.shape, Number.POSITIVE_INFINITY)]]));
    const before = [...model.namedParameters().values()].map((parameter) => parameter.dataSync().slice());
    const report = await step.run(batches[0], LR, true);
    assert.equal(report.bad, 'gradient');
    [...model.namedParameters().values()].forEach((parameter, i) => {
      assert.deepEqual(parameter.dataSync(), before[i]);
    });
    assert.equal(step.accumulated.size, 0);
    closeLosses(
      [(await step.run(batches[0], LR, true)).losses.loss],
      expected.accum1_5steps.loss.slice(0, 1),
    );
  });

  it('a NaN loss changes nothing and is reported; the next batch trains on', async () => {
    const { model, step } = await trainer(1);
    const poisoned: Batch = {
      ...batches[0],
      image: { ...imageOf(batches[0]), data: new Float32Array(2 * 64 * 64 * 3) },
    };
    imageOf(poisoned).data[5] = Number.NaN;
    const before = [...model.namedParameters().values()].map((parameter) => parameter.dataSync().slice());
    const report = await step.run(poisoned, LR, true);
    assert.equal(report.bad, 'loss');
    [...model.namedParameters().values()].forEach((parameter, i) => {
      assert.deepEqual(parameter.dataSync(), before[i]);
    });
    closeLosses(
      [(await step.run(batches[0], LR, true)).losses.loss],
      expected.accum1_5steps.loss.slice(0, 1),
    );
  });
});
