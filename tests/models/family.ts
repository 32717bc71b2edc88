import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import type { HostTensor } from '#src/common/host_tensor.js';
import type { PlainObject } from '#src/config/index.js';
import { adamwUpdate, tf, valueAndGrads } from '#src/engine/index.js';
import type { BaseModel } from '#src/models/index.js';
import { fixture, fixtureJson } from '../support.js';
import { images, maxDifference, readTensors } from './tiny.js';

type Section = PlainObject;

/** The `model` section of a fixture of the family, without weights. */
export function familySection(folder: string, overrides: Section = {}): Section {
  const { model } = fixtureJson<{ model: Section }>(folder, 'config.json');
  return {
    ...model,
    med_config_path: fixture(folder, 'med_config.json'),
    tokenizer: fixture('tiny_caption', 'vocab.txt'), // the same words in every fixture
    ...overrides,
  };
}

/** A fixture's model with its weights, read as a checkpoint of its architecture. */
export async function familyModel<M extends BaseModel>(
  Model: (new (parts: never) => M) & { fromConfig(section: Section): Promise<BaseModel> },
  folder: string,
  overrides: Section = {},
): Promise<M> {
  const model = (await Model.fromConfig(familySection(folder, overrides))) as M;
  await model.loadCheckpoint(weightsFile(folder));
  return model;
}

/** A fixture's weights, which lie there in one of two forms. */
export function weightsFile(folder: string): string {
  const pth = fixture(folder, 'weights.pth');
  return existsSync(pth) ? pth : fixture(folder, 'weights.safetensors');
}

/**
 * What a fixture may keep of a large tensor: every so-many-th value, fewer than 96 of them. The step is odd, so that
 * it goes through all columns of the matrices here.
 */
function thinned(actual: tf.Tensor, { data }: HostTensor): tf.Tensor {
  if (data.length === actual.size) return actual;
  const step = Math.ceil(actual.size / 96) | 1;
  return tf.stridedSlice(actual.flatten(), [0], [actual.size], [step]);
}

/** The largest difference to a fixture's values, as many as it has. */
export function differenceTo(expected: HostTensor, actual: tf.Tensor): Promise<number> {
  return maxDifference(thinned(actual, expected), expected);
}

interface StateDict {
  keys: { key: string; shape: number[]; kind: string; trainable: boolean; tied_to: string | null }[];
}

/** Names, order, shapes, ties and what is trained are those of the reference. */
export function assertStateDict(model: BaseModel, folder: string): void {
  const { keys } = fixtureJson<StateDict>(folder, 'state_dict.json');
  const state = model.stateDict();
  assert.deepEqual(
    [...state].map(([name, { shape }]) => [name, shape]),
    keys.map(({ key, shape }) => [key, shape]),
  );
  for (const { key, tied_to } of keys) if (tied_to) assert.equal(state.get(key), state.get(tied_to), key);
  const trained = keys.filter(
    ({ kind, trainable, tied_to }) => kind === 'parameter' && trainable && !tied_to,
  );
  assert.deepEqual(
    [...model.namedParameters().keys()],
    trained.map(({ key }) => key),
  );
}

/** AdamW's groups are those of the reference. */
export function assertGroups(model: BaseModel, folder: string): void {
  const { groups } = fixtureJson<{ groups: { weight_decay: number; names: string[] }[] }>(
    folder,
    'optimizer_groups.json',
  );
  assert.deepEqual(
    model.getOptimizerParams(0.05).map(({ names, weightDecay }) => ({ weight_decay: weightDecay, names })),
    groups.map(({ weight_decay, names }) => ({ weight_decay, names })),
  );
}

/** A scalar is near another, relative to its size. */
export function assertNear(actual: number, expected: number, relative: number, what: string): void {
  const tolerance = relative * Math.max(Math.abs(expected), 1e-3);
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what} is ${actual}, not ${expected}`);
}

/** Tensors are near those of a fixture, by the fixture's names. */
export async function assertTensors(
  expected: ReadonlyMap<string, HostTensor>,
  actual: Record<string, tf.Tensor>,
  tolerance: number,
): Promise<void> {
  for (const [name, tensor] of Object.entries(actual)) {
    const difference = await maxDifference(tensor, expected.get(name)!);
    assert.ok(difference <= tolerance, `${name} is off by ${difference}`);
  }
}

/** The gradients of a loss are the reference's: all of them, and of nothing else. */
export async function assertGradients(
  model: BaseModel,
  folder: string,
  loss: () => tf.Scalar,
  { tolerance = 1e-5, relative = {} as Record<string, number> } = {},
): Promise<void> {
  const expected = await readTensors(folder, 'gradients.safetensors');
  const { value, grads } = valueAndGrads(loss, model.namedParameters());
  assert.deepEqual([...grads.keys()].sort(), [...expected.keys()].sort());
  for (const [name, grad] of grads) {
    const wanted = expected.get(name)!;
    const most = Math.max(...(wanted.data as Float32Array).map(Math.abs));
    const allowed = name in relative ? relative[name] * most : tolerance;
    const difference = await differenceTo(wanted, grad);
    assert.ok(difference <= allowed, `the gradient of ${name} is off by ${difference}`);
  }
  tf.dispose([value, ...grads.values()]);
}

interface Step {
  texts?: string[];
  losses: Record<string, number>;
}

/**
 * Trains the three AdamW steps of a fixture (rate 0.001, weight decay 0.05): every loss of every step, and the state
 * after the third, are the reference's.
 * @param losses of a step, by the names of the log
 */
export async function assertTraining<S extends Step>(
  model: BaseModel,
  folder: string,
  losses: (step: S, index: number, inputs: ReadonlyMap<string, HostTensor>) => Record<string, tf.Scalar>,
  { tolerance = 1e-4, ofKeyBiases = 3e-3 } = {},
): Promise<void> {
  const { steps } = fixtureJson<{ steps: S[] }>(folder, 'train_steps.json');
  const inputs = await readTensors(folder, 'train_inputs.safetensors');
  const parameters = model.namedParameters();
  const groups = model.getOptimizerParams(0.05);
  const zeros = () =>
    new Map([...parameters].map(([name, p]) => [name, tf.variable(tf.zerosLike(p), false)]));
  const [expAvg, expAvgSq] = [zeros(), zeros()];
  for (const [index, step] of steps.entries()) {
    const found: Record<string, number> = {};
    const { value, grads } = valueAndGrads(() => {
      const named = losses(step, index, inputs);
      for (const [name, loss] of Object.entries(named)) found[name] = loss.dataSync()[0];
      return named.loss;
    }, parameters);
    for (const [name, loss] of Object.entries(step.losses)) {
      assertNear(found[name], loss, 1e-4, `${name} of step ${index}`);
    }
    for (const { names, weightDecay } of groups) {
      for (const name of names) {
        const rates = { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay };
        adamwUpdate({
          ...{ param: parameters.get(name)!, grad: grads.get(name)! },
          ...{ expAvg: expAvg.get(name)!, expAvgSq: expAvgSq.get(name)! },
          ...{ ...rates, step: index + 1 },
        });
      }
    }
    tf.dispose([value, ...grads.values()]);
  }
  tf.dispose([...expAvg.values(), ...expAvgSq.values()]);
  const state = model.stateDict();
  for (const [name, expected] of await readTensors(folder, 'train_final.safetensors')) {
    // The gradient of attention's key biases is zero but for rounding, which AdamW blows up.
    const allowed = /(key|qkv)\.bias$/.test(name) ? ofKeyBiases : tolerance;
    const difference = await differenceTo(expected, state.get(name)!);
    assert.ok(difference <= allowed, `${name} is off by ${difference} after training`);
  }
}

/** An image of a fixture as the models take it. */
export const imageOf = (tensors: ReadonlyMap<string, HostTensor>, name = 'image') =>
  images(tensors.get(name)!);
