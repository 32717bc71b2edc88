import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { before, describe, test } from 'node:test';
import { SingleCommunicator } from '#src/distributed/index.js';
import { chooseGpu, restoreUtil } from '#src/engine/cuda/index.js';
import { BlipCaption } from '#src/models/index.js';
import { AdamW } from '#src/optim/index.js';
import { TrainStep } from '#src/runners/train_step.js';
import { CaptionTask } from '#src/tasks/index.js';
import { images, readTensors, tinySection } from '../models/tiny.js';
import { fixtureJson } from '../support.js';
import { type KernelRun, useRecorder } from './recorder.js';

const require = createRequire(import.meta.url);

const ANY = ['float32', 'int32', 'bool'];
const NUMBERS = ['float32', 'int32'];
const FLOATS = ['float32'];
const BOOLS = ['bool'];

/**
 * Element types that TensorFlow 2.9's operations take, of those that TensorFlow.js has, for each kernel that
 * our models run. Source: tensorflow/core/ops (array_ops.cc, math_ops.cc, nn_ops.cc).
 */
const TAKES: Record<string, string[] | Record<string, string[]>> = {
  Add: NUMBERS,
  AddN: NUMBERS,
  BatchMatMul: NUMBERS,
  Cast: ANY,
  Concat: ANY,
  Erf: FLOATS,
  Exp: FLOATS,
  ExpandDims: ANY,
  Fill: [],
  GatherV2: { x: ANY, indices: ['int32'] },
  Greater: NUMBERS,
  Identity: ANY,
  Less: NUMBERS,
  Log: FLOATS,
  Max: NUMBERS,
  Mean: NUMBERS,
  Minimum: NUMBERS,
  Multiply: NUMBERS,
  Neg: NUMBERS,
  NotEqual: ANY,
  OneHot: ['int32'],
  OnesLike: ANY,
  Pack: ANY,
  PadV2: ANY,
  Pow: NUMBERS,
  Range: [],
  RealDiv: NUMBERS,
  Reshape: ANY,
  Rsqrt: FLOATS,
  Select: { condition: BOOLS, t: ANY, e: ANY },
  Slice: ANY,
  Softmax: FLOATS,
  SplitV: ANY,
  Sqrt: FLOATS,
  Square: NUMBERS,
  Sub: NUMBERS,
  Sum: NUMBERS,
  Tile: ANY,
  Transpose: ANY,
  UnsortedSegmentSum: { x: NUMBERS, segmentIds: ['int32'] },
  ZerosLike: ANY,
};

/** Training with all that a run may ask for, and each way of generating. */
async function runModels(): Promise<void> {
  const dropout = { hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.1 };
  const section = tinySection({ vit_grad_ckpt: true, vit_ckpt_layer: 1, vit_drop_path_rate: 0.2 }, dropout);
  const model = await BlipCaption.fromConfig(section, { seed: 1 });
  const batch = images((await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!);
  const image = { data: batch.dataSync() as Float32Array, shape: batch.shape };
  const { texts } = fixtureJson<{ texts: string[] }>('tiny_caption', 'forward.json');
  const optimizer = new AdamW(model.getOptimizerParams(0.05), { lr: 1e-3 });
  const step = new TrainStep({
    task: new CaptionTask(),
    model: model.train(),
    optimizer,
    accumGradIters: 2,
    clipGradNorm: 0.01,
    comm: new SingleCommunicator(),
  });
  for (const update of [false, true]) await step.run({ image, text_input: texts }, 1e-3, update);
  model.eval();
  await model.generate({ image: batch }, { numBeams: 3, maxLength: 12 });
  await model.generate({ image: batch }, { numBeams: 1, maxLength: 12 });
  await model.generate({ image: batch }, { useNucleusSampling: true, maxLength: 12, numCaptions: 2 });
}

describe('CUDA, by the kernels that tfjs-node-gpu registers', () => {
  let runs: KernelRun[];
  let registered: Set<string>;

  before(async () => {
    runs = await useRecorder();
    await runModels();
    // Its own list: the package is installed by those who have CUDA only.
    registered = new Set(fixtureJson<{ kernels: string[] }>('tfjs_node_gpu', 'kernels.json').kernels);
  });

  test('what is recorded is training, its update and generation', () => {
    const kernels = new Set(runs.map(({ kernel }) => kernel));
    assert.ok(kernels.size >= 30, [...kernels].join(' '));
    for (const kernel of ['BatchMatMul', 'UnsortedSegmentSum', 'Softmax', 'Sqrt', 'Erf', 'OneHot']) {
      assert.ok(kernels.has(kernel), kernel);
    }
  });

  test('every kernel of forward, backward, update and generation is among them', () => {
    const missing = runs.map(({ kernel }) => kernel).filter((kernel) => !registered.has(kernel));
    assert.deepEqual([...new Set(missing)], []);
  });

  test('with element types that TensorFlow takes', () => {
    for (const { kernel, inputs } of runs) {
      const takes = TAKES[kernel];
      assert.ok(takes, `which element types does TensorFlow's ${kernel} take?`);
      for (const [input, type] of Object.entries(inputs)) {
        const types = Array.isArray(takes) ? takes : takes[input];
        assert.ok(types?.includes(type), `${kernel} with ${input} of ${type}`);
      }
    }
  });

  test('fused operations take their plain way: it has none of ours', () => {
    assert.deepEqual(
      [...registered].filter((name) => name.startsWith('Lavis')),
      [],
    );
    assert.deepEqual(
      runs.filter(({ kernel }) => kernel.startsWith('Lavis')),
      [],
    );
  });
});

test('a process has one GPU: the one that is named, or that of its rank, of those that it may see', () => {
  assert.equal(chooseGpu({}), undefined);
  assert.equal(chooseGpu({}, 1), '1');
  const last = { PMI_RANK: '7', PMI_SIZE: '8', MPI_LOCALRANKID: '3', MPI_LOCALNRANKS: '4' };
  const list = (...gpus: string[]) => chooseGpu(last, undefined, () => gpus);
  assert.equal(list('0', '1', '2', '3'), '3');
  assert.equal(list('0', '1'), '1');
  assert.equal(list(), '3');
  assert.equal(chooseGpu({ ...last, CUDA_VISIBLE_DEVICES: 'GPU-a, GPU-b, GPU-c, GPU-d' }), 'GPU-d');
  assert.equal(chooseGpu({ ...last, CUDA_VISIBLE_DEVICES: '4,6' }), '6');
  assert.equal(chooseGpu({ ...last, CUDA_VISIBLE_DEVICES: '6' }), '6');
  assert.equal(chooseGpu({ ...last, CUDA_VISIBLE_DEVICES: '' }), '');
  assert.equal(chooseGpu({ SLURM_LOCALID: '0', CUDA_VISIBLE_DEVICES: '4,6' }), '4,6', 'a batch script');
  assert.throws(() => chooseGpu({ CUDA_VISIBLE_DEVICES: '4,6' }, 2), /no GPU 2\n.*2 GPUs\n.*0 to 1/);
});

test('what Node 23 removed from util is there again for tfjs-node', () => {
  const util = require('node:util') as Record<string, unknown>;
  const { isNullOrUndefined, isArray } = util;
  try {
    util.isNullOrUndefined = undefined;
    util.isArray = undefined;
    restoreUtil();
    const again = util as { isNullOrUndefined(x: unknown): boolean; isArray(x: unknown): boolean };
    assert.deepEqual([undefined, null, 0, ''].map(again.isNullOrUndefined), [true, true, false, false]);
    assert.deepEqual([[], {}].map(again.isArray), [true, false]);
  } finally {
    Object.assign(util, { isNullOrUndefined, isArray });
  }
});

test('lavis setup cuda says which package it is that CUDA takes, where it is not installed', () => {
  const { status, stderr } = spawnSync(process.execPath, ['bin/lavis.js', 'setup', 'cuda', '--check'], {
    encoding: 'utf8',
  });
  // where it is, CUDA works or the engine's own message says what is missing
  if (status !== 0)
    assert.match(stderr, /npm install @tensorflow\/tfjs-node-gpu@4\.22\.0|CUDA cannot be used yet/);
});
