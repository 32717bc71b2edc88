import type { Batch } from '../datasets/index.js';
import { type Communicator, GradientAverager } from '../distributed/index.js';
import { isHostMemory, tf, updateFactor, valueAndGrads } from '../engine/index.js';
import type { Model } from '../models/index.js';
import type { AdamW, GradScaler } from '../optim/index.js';
import { type BaseTask, disposeSamples, toSamples } from '../tasks/index.js';
import {
  addGradients,
  clipGradients,
  disposeGradients,
  type Gradients,
  gradientNorm,
  scaleGradients,
} from './gradients.js';

/** What an update came to. */
export interface UpdateReport {
  /** Of the accumulated gradient. */
  gradNorm?: number;
  /** A loss or gradient that is NaN or infinite: it was left out. */
  bad?: 'loss' | 'gradient';
}

/** What one micro-step made; what its update came to, where it ended with one. */
export interface StepReport extends UpdateReport {
  /** Every loss by its name in the log; of the batch itself, not divided by the accumulation. */
  losses: Record<string, number>;
  /** In place of `gradNorm` and a bad gradient, where a graphics card has not come so far yet. */
  later?: Promise<UpdateReport>;
}

export interface TrainStepOptions {
  task: BaseTask;
  model: Model;
  optimizer: AdamW;
  accumGradIters: number;
  clipGradNorm?: number;
  /** Losses are scaled, and an update that overflows is left out. */
  scaler?: GradScaler;
  /** Mixed precision, which wants a scaler. */
  float16?: boolean;
  comm: Communicator;
}

/**
 * Micro-steps and updates: the gradient of an update is the mean over `accumGradIters` micro-batches. Owns
 * the gradients between the two.
 *
 * A graphics card is given work before it is done with what it has: a loss is read while the backward pass is
 * still to come, and the norm, by which the card itself decides on the update, while the update is.
 */
export class TrainStep {
  readonly #accumulated: Gradients = new Map();
  readonly #parameters: Map<string, tf.Variable>;
  readonly #averager?: GradientAverager;
  /** The outcome of the update before, which the next one rests on: scale and count of steps. */
  #before: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: TrainStepOptions) {
    const { comm, model } = options;
    this.#parameters = model.namedParameters();
    if (comm.worldSize > 1) this.#averager = new GradientAverager(comm, this.#parameters);
  }

  /** Forward and backward of one micro-batch; with `update`, the optimizer's step. */
  async run(batch: Batch, lr: number, update: boolean): Promise<StepReport> {
    if (this.options.scaler?.enabled) await this.#before;
    // A lone micro-batch is averaged while its backward pass still runs.
    const overlapped = update && this.options.accumGradIters === 1 ? this.#averager : undefined;
    const local = await this.#backward(batch, overlapped);
    if (overlapped) {
      disposeGradients(local.grads);
      local.grads = await overlapped.finish();
    }
    const { losses, share } = await this.#overAllRanks(local);
    if (!Object.values(losses).every(Number.isFinite)) {
      disposeGradients(local.grads);
      const others = update && this.#accumulated.size > 0;
      return { ...(others && (await this.#update(lr, !overlapped))), losses, bad: 'loss' };
    }
    addGradients(this.#accumulated, local.grads, overlapped ? 1 : share);
    return { ...(update && (await this.#update(lr, !overlapped))), losses };
  }

  /** Gradients that wait for more micro-batches. */
  get accumulated(): ReadonlyMap<string, tf.Tensor> {
    return this.#accumulated;
  }

  /** Takes over the gradients of a run that stopped between two updates. */
  restore(accumulated: Gradients): void {
    this.reset();
    addGradients(this.#accumulated, accumulated);
  }

  /** Forgets gradients that no update will use. */
  reset(): void {
    disposeGradients(this.#accumulated);
  }

  async #backward(batch: Batch, averager?: GradientAverager): Promise<LocalStep> {
    const { task, model, accumGradIters, scaler, float16 } = this.options;
    const scale = scaler?.scale ?? 1;
    const samples = toSamples(batch);
    const kept: Record<string, tf.Scalar> = {};
    let losses: Promise<Record<string, number>> | undefined;
    let weight = 1;
    try {
      const { value, grads } = valueAndGrads(
        () => {
          const step = task.trainStep(model, samples);
          for (const [name, scalar] of Object.entries(step.named)) kept[name] = tf.keep(scalar.clone());
          losses = numbersOf(kept);
          losses.catch(() => {}); // thrown below, unless the backward pass fails first
          weight = step.weight ?? 1;
          averager?.begin(weight);
          const divisor = accumGradIters / scale;
          return divisor === 1 ? step.loss : tf.div(step.loss, divisor);
        },
        this.#parameters,
        {
          onGrad: averager && ((name, grad) => averager.add(name, grad)),
          float16,
        },
      );
      value.dispose();
      return { losses: await losses!, weight, grads };
    } finally {
      disposeSamples(samples);
      tf.dispose(kept);
    }
  }

  /** @param average over the ranks, where the gradients are still this rank's own */
  async #update(lr: number, average: boolean): Promise<Omit<StepReport, 'losses'>> {
    const { optimizer, clipGradNorm, scaler } = this.options;
    if (average && this.#averager) await this.#averageAccumulated(this.#averager);
    if (!isHostMemory()) return this.#updateAhead(lr);
    if (scaler?.enabled) scaleGradients(this.#accumulated, 1 / scaler.scale);
    const gradNorm = gradientNorm(this.#accumulated);
    scaler?.update(!Number.isFinite(gradNorm));
    if (!Number.isFinite(gradNorm)) {
      this.reset();
      return scaler?.enabled ? { gradNorm } : { gradNorm, bad: 'gradient' };
    }
    if (clipGradNorm) clipGradients(this.#accumulated, gradNorm, clipGradNorm);
    optimizer.step(this.#accumulated, lr);
    this.reset();
    return { gradNorm };
  }

  /** An update whose norm is not waited for: the engine leaves it out by itself where it is no number. */
  async #updateAhead(lr: number): Promise<{ later: Promise<UpdateReport> }> {
    const { optimizer, clipGradNorm: maxNorm, scaler } = this.options;
    const { norm, factor } = updateFactor(this.#accumulated.values(), {
      scale: 1 / (scaler?.scale ?? 1),
      maxNorm: maxNorm || undefined,
    });
    const reading = norm.data(); // begun before the update, which is in front of whatever waits for it
    await this.#before;
    optimizer.step(this.#accumulated, lr, factor);
    this.reset();
    tf.dispose([norm, factor]);
    const later = reading.then(([gradNorm]): UpdateReport => {
      const overflow = !Number.isFinite(gradNorm);
      scaler?.update(overflow);
      if (overflow) optimizer.takeBack();
      return overflow && !scaler?.enabled ? { gradNorm, bad: 'gradient' } : { gradNorm };
    });
    later.catch(() => {}); // thrown to whoever takes the report, and by the next update
    this.#before = later;
    return { later };
  }

  async #averageAccumulated(averager: GradientAverager): Promise<void> {
    averager.begin();
    for (const [name, grad] of this.#accumulated) averager.add(name, grad);
    this.reset();
    addGradients(this.#accumulated, await averager.finish());
  }

  /**
   * The losses over all ranks together, the same numbers on each, so that all agree on what a bad loss is;
   * and how much this rank's mean counts beside theirs.
   */
  async #overAllRanks({
    losses,
    weight,
  }: LocalStep): Promise<{ losses: Record<string, number>; share: number }> {
    const { comm } = this.options;
    if (comm.worldSize === 1) return { losses, share: 1 };
    const all = await comm.allGather({ losses, weight }, 'losses');
    const total = all.reduce((sum, one) => sum + one.weight, 0);
    const mean = (name: string) => all.reduce((sum, one) => sum + one.losses[name] * one.weight, 0) / total;
    return {
      losses: Object.fromEntries(Object.keys(losses).map((name) => [name, mean(name)])),
      share: (weight * comm.worldSize) / total,
    };
  }
}

/** What one rank made of its micro-batch. */
interface LocalStep {
  losses: Record<string, number>;
  /** How much its mean loss counts beside the other ranks'. */
  weight: number;
  grads: Gradients;
}

/** Begins to read them at once. */
async function numbersOf(scalars: Record<string, tf.Scalar>): Promise<Record<string, number>> {
  const reads = Object.entries(scalars).map(
    async ([name, scalar]) => [name, (await scalar.data())[0]] as const,
  );
  return Object.fromEntries(await Promise.all(reads));
}
