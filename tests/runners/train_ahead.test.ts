import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { Batch } from '#src/datasets/index.js';
import { SingleCommunicator } from '#src/distributed/index.js';
import { isHostMemory, setupEngine, tf } from '#src/engine/index.js';
import { EventPump } from '#src/engine/webgpu/pump.js';
import type { BlipCaption, Model, Samples } from '#src/models/index.js';
import { AdamW, GradScaler } from '#src/optim/index.js';
import { TrainStep } from '#src/runners/train_step.js';
import { CaptionTask, type StepLosses } from '#src/tasks/index.js';
import { useRecorder } from '../engine/recorder.js';
import { noWebGpu } from '../engine/webgpu_here.js';
import { images, readTensors, tinyModel } from '../models/tiny.js';
import { fixtureJson } from '../support.js';

/** A captioning whose loss is what it should be, and whose gradient is NaN in some of its steps. */
class BrokenTask extends CaptionTask {
  steps = 0;

  constructor(private readonly broken: readonly number[]) {
    super();
  }

  override trainStep(model: Model, samples: Samples): StepLosses {
    const step = super.trainStep(model, samples);
    if (!this.broken.includes(this.steps++)) return step;
    const { bias } = (model as BlipCaption).visualEncoder.norm;
    return { ...step, loss: step.loss.add(bias.sum().mul(0).sqrt()) };
  }
}

const LR = 1e-3;
const { batch_rows } = fixtureJson<{ batch_rows: number[][] }>('tiny_caption', 'train_steps.json');
const { texts } = fixtureJson<{ texts: string[] }>('tiny_caption', 'forward.json');
let batches: Batch[];

interface Trained {
  losses: number[];
  norms: (number | undefined)[];
  bad: (string | undefined)[];
  /** Values by parameter name. */
  parameters: Map<string, Float32Array>;
  /** Tensors after each step. */
  tensors: number[];
  scale: number;
}

interface Options {
  steps?: number[];
  broken?: number[];
  clipGradNorm?: number;
  scaler?: GradScaler;
  accumGradIters?: number;
}

/** Trains on the active backend without waiting for what an update came to. */
async function train(options: Options): Promise<Trained> {
  const { steps = [0, 1, 2, 3], broken = [], accumGradIters = 1, ...rest } = options;
  const model = (await tinyModel()).train();
  const optimizer = new AdamW(model.getOptimizerParams(0.05), { lr: LR });
  const step = new TrainStep({
    task: new BrokenTask(broken),
    model,
    optimizer,
    comm: new SingleCommunicator(),
    accumGradIters,
    ...rest,
  });
  const reports = [];
  const tensors = [];
  for (const [i, index] of steps.entries()) {
    reports.push(await step.run(batches[index], LR, (i + 1) % accumGradIters === 0));
    tensors.push(tf.memory().numTensors);
  }
  const outcomes = await Promise.all(reports.map(async (report) => ({ ...report, ...(await report.later) })));
  const parameters = new Map<string, Float32Array>();
  for (const [name, parameter] of model.namedParameters()) {
    parameters.set(name, (await parameter.data()).slice() as Float32Array);
  }
  optimizer.dispose();
  model.dispose();
  return {
    losses: outcomes.map(({ losses }) => losses.loss),
    norms: outcomes.map(({ gradNorm }) => gradNorm),
    bad: outcomes.map(({ bad }) => bad),
    parameters,
    tensors,
    scale: options.scaler?.scale ?? 1,
  };
}

/** Attention key biases have a true gradient of 0: AdamW turns rounding noise into steps. */
const isNoise = (name: string) => /\.key\.bias$|\.qkv\.bias$/.test(name);

function assertSame(actual: Trained, expected: Trained): void {
  for (const key of ['losses', 'norms'] as const) {
    assert.equal(actual[key].length, expected[key].length);
    for (const [i, value] of expected[key].entries()) {
      assert.ok(
        Math.abs(actual[key][i]! - value!) <= 1e-4 * value!,
        `${key}: ${actual[key]}, ${expected[key]}`,
      );
    }
  }
  for (const [name, values] of expected.parameters) {
    if (isNoise(name)) continue;
    const found = actual.parameters.get(name)!;
    const worst = values.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i])), 0);
    assert.ok(worst <= 1e-4, `${name} is off by ${worst}`);
  }
}

/** The gradients' norm is about 3 here: this clips. */
const CLIP = 0.5;

function suite(): void {
  it('is not in the memory of the host', () => {
    assert.equal(isHostMemory(), false);
  });

  it('clips and updates as the engine does that reads the norm first', async () => {
    const here = tf.getBackend();
    const clipped = await train({ clipGradNorm: CLIP });
    const plain = await train({ accumGradIters: 2 });
    await tf.setBackend((await setupEngine({ device: 'cpu' })).backend);
    const [clippedThere, plainThere] = [
      await train({ clipGradNorm: CLIP }),
      await train({ accumGradIters: 2 }),
    ];
    await tf.setBackend(here);
    assert.ok(
      clippedThere.norms.every((norm) => norm! > 2 * CLIP),
      String(clippedThere.norms),
    );
    assertSame(clipped, clippedThere);
    const updates = (trained: Trained) => ({ ...trained, norms: trained.norms.filter(Boolean) });
    assertSame(updates(plain), updates(plainThere));
  });

  it('leaves out an update whose gradient is no number, as if it had not been, and tells it', async () => {
    const left = await train({ steps: [0, 1, 2, 3], broken: [1], clipGradNorm: CLIP });
    assert.deepEqual(left.bad, [undefined, 'gradient', undefined, undefined]);
    assert.ok(Number.isFinite(left.losses[1]) && Number.isNaN(left.norms[1]));
    const without = await train({ steps: [0, 2, 3], clipGradNorm: CLIP });
    const kept = { ...left, losses: left.losses.toSpliced(1, 1), norms: left.norms.toSpliced(1, 1) };
    assertSame(kept, without);
  });

  it('leaves out a first update that is no number too', async () => {
    const kept = await train({ steps: [0, 1], broken: [0] });
    const without = await train({ steps: [1] });
    assertSame({ ...kept, losses: kept.losses.slice(1), norms: kept.norms.slice(1) }, without);
  });

  it('scales losses, and halves the scale after an overflow before the next step', async () => {
    const scaled = await train({ broken: [1], scaler: new GradScaler(), clipGradNorm: CLIP });
    assert.equal(scaled.scale, 32768);
    assert.deepEqual(scaled.bad, [undefined, undefined, undefined, undefined]);
    const plain = await train({ broken: [1], clipGradNorm: CLIP });
    const finite = (trained: Trained) => ({ ...trained, norms: trained.norms.filter(Number.isFinite) });
    assertSame(finite(scaled), finite(plain));
  });

  it('keeps nothing of a step that is done', async () => {
    const { tensors } = await train({ steps: [0, 0, 0, 0, 0, 0], clipGradNorm: CLIP });
    assert.deepEqual(tensors.slice(2), Array(4).fill(tensors[1]));
  });
}

before(async () => {
  const backend = (await setupEngine({ device: 'cpu' })).backend;
  await tf.setBackend(backend);
  const image = (await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!;
  batches = batch_rows.map((rows) => {
    const chosen = images(image, rows);
    const data = (chosen.dataSync() as Float32Array).slice();
    chosen.dispose();
    return { image: { data, shape: [rows.length, 64, 64, 3] }, text_input: rows.map((row) => texts[row]) };
  });
});

describe('training ahead of an engine in plain operations', () => {
  before(useRecorder);
  suite();
});

describe('training ahead of WebGPU', { skip: noWebGpu }, () => {
  before(() => setupEngine({ device: 'webgpu' }));
  suite();

  it('never stands still to wait for the card', async (t) => {
    const wait = t.mock.method(EventPump.prototype, 'waitUntil');
    const trained = await train({ steps: [0, 1], clipGradNorm: CLIP });
    assert.ok(trained.losses.every(Number.isFinite));
    assert.equal(wait.mock.callCount(), 0);
    tf.ones([5000]).add(1).dataSync();
    assert.equal(wait.mock.callCount(), 1);
  });
});
