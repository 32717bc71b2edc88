import {
  type CheckpointValue,
  dictMember,
  isHostTensor,
  isTensorRef,
  PyFloat,
  savedTensor,
  tuple,
} from '../checkpoint/index.js';
import { CheckpointError } from '../common/errors.js';
import { type HostTensor, toFloat32 } from '../common/host_tensor.js';
import { adamwUpdate, tf } from '../engine/index.js';
import type { Module } from '../nn/index.js';

/** Parameters that share a weight decay, in the order of `model.getOptimizerParams`. */
export interface ParamGroup {
  names: string[];
  params: tf.Variable[];
  weightDecay: number;
  /** Factor on the learning rate of this group. */
  lrScale?: number;
}

export interface AdamWOptions {
  lr: number;
  beta1?: number;
  beta2?: number;
  eps?: number;
}

/** What checkpoints keep under 'optimizer'; parameters are numbered through the groups. */
export type AdamWState = { state: Map<number, CheckpointValue>; param_groups: CheckpointValue[] };

interface Slot {
  name: string;
  param: tf.Variable;
  group: ParamGroup;
  /**
   * Made before the first step, so that memory which activations had need not be given back for them. PyTorch
   * makes them with the first gradient: those of no update, zeros, are left out of the state.
   */
  moments: { step: number; expAvg: tf.Variable; expAvgSq: tf.Variable };
}

/** AdamW with decoupled weight decay, as PyTorch's; owns its moments, not the parameters. Source: arXiv:1711.05101. */
export class AdamW {
  readonly #slots: Slot[];
  readonly #groups: ParamGroup[];
  readonly #options: Required<AdamWOptions>;
  /** What the last step changed. */
  #changed: Slot[] = [];

  constructor(groups: ParamGroup[], { lr, beta1 = 0.9, beta2 = 0.999, eps = 1e-8 }: AdamWOptions) {
    this.#groups = groups;
    this.#options = { lr, beta1, beta2, eps };
    this.#slots = groups.flatMap((group) =>
      group.names.map((name, i) => {
        const param = group.params[i];
        return { name, param, group, moments: zeroMoments(param) };
      }),
    );
  }

  /**
   * Updates every parameter that has a gradient, in place.
   * @param grads by parameter name; not disposed
   * @param factor of `updateFactor`; where it turns out to be 0, `takeBack` is to be called
   */
  step(grads: Map<string, tf.Tensor>, lr: number, factor?: tf.Scalar): void {
    this.#options.lr = lr;
    this.#changed = [];
    const { beta1, beta2, eps } = this.#options;
    for (const slot of this.#slots) {
      const grad = grads.get(slot.name);
      if (!grad) continue;
      const { expAvg, expAvgSq } = slot.moments;
      const step = ++slot.moments.step;
      this.#changed.push(slot);
      const { weightDecay, lrScale = 1 } = slot.group;
      adamwUpdate({
        param: slot.param,
        grad,
        expAvg,
        expAvgSq,
        lr: lr * lrScale,
        beta1,
        beta2,
        eps,
        weightDecay,
        step,
        factor,
      });
    }
  }

  /** Takes note that the last step changed nothing, its factor being 0: it is not counted. */
  takeBack(): void {
    for (const { moments } of this.#changed) moments.step--;
    this.#changed = [];
  }

  /** torch.optim.AdamW.state_dict() of PyTorch 1.13, in its parameter order; tensors are read as they are written. */
  stateDict(): AdamWState {
    const state = new Map<number, CheckpointValue>();
    for (const [index, { moments }] of this.#slots.entries()) {
      if (moments.step === 0) continue;
      state.set(index, {
        step: { dtype: 'float32', shape: [], data: Float32Array.of(moments.step) },
        exp_avg: savedTensor(moments.expAvg),
        exp_avg_sq: savedTensor(moments.expAvgSq),
      });
    }
    let next = 0;
    const { lr, beta1, beta2, eps } = this.#options;
    const param_groups = this.#groups.map(({ names, weightDecay, lrScale = 1 }) => ({
      weight_decay: new PyFloat(weightDecay),
      lr_scale: lrScale,
      lr: new PyFloat(lr),
      betas: tuple(new PyFloat(beta1), new PyFloat(beta2)),
      eps: new PyFloat(eps),
      amsgrad: false,
      foreach: null,
      maximize: false,
      capturable: false,
      params: names.map(() => next++),
    }));
    return { state, param_groups };
  }

  /**
   * Continues from a state that this class or PyTorch wrote.
   * @throws CheckpointError when groups, parameters or shapes differ.
   */
  async loadStateDict(saved: unknown): Promise<void> {
    const groups = dictMember(saved, 'param_groups');
    const sizes = Array.isArray(groups)
      ? groups.map((group) => listOf(dictMember(group, 'params')).length)
      : [];
    const expected = this.#groups.map((group) => group.names.length);
    if (sizes.join() !== expected.join()) {
      throw new CheckpointError('the optimizer state belongs to another model', {
        where: 'optimizer.param_groups',
        found: `groups of ${sizes.join(' and ') || 'no'} parameters`,
        allowed: `groups of ${expected.join(' and ')} parameters`,
      });
    }
    const lr = dictMember((groups as unknown[])[0], 'lr');
    if (typeof lr === 'number') this.#options.lr = lr; // what stateDict tells until the next step
    const order = (groups as unknown[]).flatMap((group) => listOf(dictMember(group, 'params')));
    for (const [i, slot] of this.#slots.entries()) {
      const entry = dictMember(dictMember(saved, 'state'), order[i] as number);
      const moments = entry === undefined ? zeroMoments(slot.param) : await readMoments(slot, entry);
      disposeMoments(slot);
      slot.moments = moments;
    }
  }

  /** The moments by name, for ranks that take over another's. */
  moments(): Map<string, tf.Variable> {
    return new Map(
      this.#slots.flatMap(({ name, moments }): [string, tf.Variable][] => [
        [`exp_avg of ${name}`, moments.expAvg],
        [`exp_avg_sq of ${name}`, moments.expAvgSq],
      ]),
    );
  }

  /** How many steps each parameter has had, in the order of the moments. */
  get steps(): number[] {
    return this.#slots.map(({ moments }) => moments.step);
  }

  set steps(counts: readonly number[]) {
    for (const [i, { moments }] of this.#slots.entries()) moments.step = counts[i];
  }

  dispose(): void {
    this.#slots.forEach(disposeMoments);
  }
}

function zeroMoments(param: tf.Variable): Slot['moments'] {
  const zeros = () => {
    const initial = tf.fill(param.shape, 0); // not tf.zeros, which makes an array of JavaScript's first
    const variable = tf.variable(initial, false);
    initial.dispose();
    return variable;
  };
  return { step: 0, expAvg: zeros(), expAvgSq: zeros() };
}

async function readMoments(slot: Slot, entry: unknown): Promise<Slot['moments']> {
  const step = await readStep(dictMember(entry, 'step'));
  const expAvg = await readLike(slot, dictMember(entry, 'exp_avg'), 'exp_avg');
  const expAvgSq = await readLike(slot, dictMember(entry, 'exp_avg_sq'), 'exp_avg_sq');
  return { step, expAvg: variableOf(expAvg), expAvgSq: variableOf(expAvgSq) };
}

function disposeMoments({ moments }: Slot): void {
  moments.expAvg.dispose();
  moments.expAvgSq.dispose();
}

function variableOf(tensor: HostTensor): tf.Variable {
  const initial = tf.tensor(toFloat32(tensor).slice(), [...tensor.shape], 'float32');
  const variable = tf.variable(initial, false);
  initial.dispose();
  return variable;
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

async function load(stored: unknown): Promise<HostTensor | undefined> {
  if (isTensorRef(stored)) return stored.read();
  return isHostTensor(stored) ? stored : undefined;
}

/** PyTorch before 1.12 keeps a number, later ones a scalar tensor. */
async function readStep(stored: unknown): Promise<number> {
  const step = typeof stored === 'number' ? stored : Number((await load(stored))?.data[0] ?? Number.NaN);
  if (Number.isInteger(step) && step >= 0) return step;
  throw new CheckpointError('the optimizer state has no step count', { where: 'optimizer.state' });
}

async function readLike(slot: Slot, stored: unknown, key: string): Promise<HostTensor> {
  const tensor = await load(stored);
  if (tensor && tensor.shape.join() === slot.param.shape.join()) return tensor;
  throw new CheckpointError('the optimizer state does not fit the model', {
    where: `${key} of ${slot.name}`,
    found: tensor ? `[${tensor.shape.join(', ')}]` : 'no tensor',
    allowed: `[${slot.param.shape.join(', ')}]`,
  });
}

/**
 * Two groups: what decays, and what does not (vectors, and names with "bias", "ln" or "bn").
 * Source: lavis/models/base_model.py, get_optimizer_params.
 */
export function optimizerGroups(model: Module, weightDecay: number): ParamGroup[] {
  const entries = [...model.namedParameters()];
  const decays = ([name, { rank }]: (typeof entries)[number]) => rank >= 2 && !/bias|ln|bn/.test(name);
  const group = (wanted: boolean, decay: number): ParamGroup => {
    const members = entries.filter((entry) => decays(entry) === wanted);
    return {
      names: members.map(([name]) => name),
      params: members.map(([, value]) => value),
      weightDecay: decay,
    };
  };
  return [group(true, weightDecay), group(false, 0)];
}
