import { setImmediate } from 'node:timers/promises';
import type { BadSample, BadSamples, Batch } from '../datasets/index.js';
import { type Communicator, GradientAverager } from '../distributed/index.js';
import { isHostMemory, tf, updateFactor, valueAndGrads } from '../engine/index.js';
import type { Model } from '../models/index.js';
import type { AdamW, GradScaler } from '../optim/index.js';
import { type BaseTask, disposeSamples, type StepLosses, type StepPosition } from '../tasks/index.js';
import { FeatureExchange } from './feature_exchange.js';
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
  /** The signal that asked some rank to end, by the time its step was computed; the same on all ranks. */
  stop?: NodeJS.Signals;
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
  /** The signal that asked this rank to end, if one did. */
  stop?: () => NodeJS.Signals | undefined;
  /** Counted over all ranks. */
  badSamples?: BadSamples;
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
  readonly #exchange?: FeatureExchange;
  /** The outcome of the update before, which the next one rests on: scale and count of steps. */
  #before: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: TrainStepOptions) {
    const { comm, model } = options;
    this.#parameters = model.namedParameters();
    if (comm.worldSize === 1) return;
    this.#averager = new GradientAverager(comm, this.#parameters);
    if (model.encode) this.#exchange = new FeatureExchange(comm, this.#parameters);
  }

  /** Forward and backward of one micro-batch; with `update`, the optimizer's step. */
  async run(batch: Batch, lr: number, update: boolean, at: StepPosition = START): Promise<StepReport> {
    if (this.options.scaler?.enabled) await this.#before;
    // A lone micro-batch is averaged while its backward pass still runs, unless a second one follows it.
    const alone = update && this.options.accumGradIters === 1 && !this.#exchange;
    const overlapped = alone ? this.#averager : undefined;
    const local = await this.#backward(batch, at, overlapped);
    if (overlapped) {
      disposeGradients(local.grads);
      local.grads = await overlapped.finish();
    }
    const all = await local.all;
    const { losses, share, stop } = overAllRanks(all, this.options.comm.rank);
    for (const { unread } of all) if (unread) this.options.badSamples?.learn(unread);
    if (!Object.values(losses).every(Number.isFinite)) {
      disposeGradients(local.grads);
      const others = update && this.#accumulated.size > 0;
      return { ...(others && (await this.#update(lr, !overlapped))), losses, stop, bad: 'loss' };
    }
    addGradients(this.#accumulated, local.grads, overlapped ? 1 : share);
    return { ...(update && (await this.#update(lr, !overlapped))), losses, stop };
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

  async #backward(batch: Batch, at: StepPosition, averager?: GradientAverager): Promise<LocalStep> {
    const { task, model, comm, accumGradIters, scaler, float16 } = this.options;
    const scale = scaler?.scale ?? 1;
    const samples = task.trainSamples(batch, at);
    const kept: Record<string, tf.Scalar> = {};
    let all: Promise<StepMessage[]> | undefined;
    /** What is minimised; the losses are kept, and read while the backward pass is still to come. */
    const divided = (step: StepLosses) => {
      for (const [name, scalar] of Object.entries(step.named)) kept[name] = tf.keep(scalar.clone());
      all = this.#tellRanks(numbersOf(kept), step.weight ?? 1);
      all.catch(() => {}); // thrown by whoever awaits it, unless the backward pass fails first
      averager?.begin(all.then((ranks) => ranks.map(({ weight }) => weight)));
      const divisor = accumGradIters / scale;
      return divisor === 1 ? step.loss : tf.div<tf.Scalar>(step.loss, divisor);
    };
    try {
      if (comm.worldSize > 1) await model.beforeStep?.(samples, comm);
      const grads = this.#exchange
        ? await this.#exchange.gradients(
            () => model.encode!(samples),
            (exchanged) => divided(task.trainStep(model, samples, exchanged)),
            { float16 },
          )
        : this.#gradients(() => divided(task.trainStep(model, samples)), averager);
      if (comm.worldSize > 1) await model.afterStep?.(comm);
      await all;
      return { all: all!, grads };
    } finally {
      disposeSamples(samples);
      tf.dispose(kept);
    }
  }

  #gradients(loss: () => tf.Scalar, averager?: GradientAverager): Gradients {
    const { value, grads } = valueAndGrads(loss, this.#parameters, {
      onGrad: averager && ((name, grad) => averager.add(name, grad)),
      float16: this.options.float16,
    });
    value.dispose();
    return grads;
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

  /** The one message of a step: all that the ranks have to know of each other. */
  #tellRanks(reading: Promise<Record<string, number>>, weight: number): Promise<StepMessage[]> {
    const { comm, stop, badSamples } = this.options;
    const message = reading.then(async (losses) => {
      if (comm.worldSize > 1) await setImmediate(); // a signal that came while the step was computed counts
      const unread = badSamples?.untold();
      return { losses, weight, stop: stop?.(), ...(unread?.length && { unread }) };
    });
    return comm.allGather(message, 'losses');
  }
}

/**
 * The losses over all ranks together, the same numbers on each, so that all agree on what a bad loss is;
 * and how much this rank's mean counts beside theirs.
 */
function overAllRanks(all: readonly StepMessage[], rank: number) {
  const total = all.reduce((sum, { weight }) => sum + weight, 0);
  const mean = (name: string) =>
    all.length === 1
      ? all[0].losses[name]
      : all.reduce((sum, { losses, weight }) => sum + losses[name] * weight, 0) / total;
  return {
    losses: Object.fromEntries(Object.keys(all[rank].losses).map((name) => [name, mean(name)])),
    share: all.length === 1 ? 1 : (all[rank].weight * all.length) / total,
    stop: all.find(({ stop }) => stop !== undefined)?.stop,
  };
}

const START: StepPosition = { epoch: 0, step: 0, stepsPerEpoch: 1 };

/** What a rank tells the others of its micro-batch. */
interface StepMessage {
  losses: Record<string, number>;
  /** How much its mean loss counts beside the other ranks'. */
  weight: number;
  /** It was asked to end. */
  stop?: NodeJS.Signals;
  /** Samples that it found it cannot read. */
  unread?: BadSample[];
}

/** What one rank made of its micro-batch, and what all told of theirs. */
interface LocalStep {
  all: Promise<StepMessage[]>;
  grads: Gradients;
}

/** Begins to read them at once. */
export async function numbersOf(scalars: Record<string, tf.Scalar>): Promise<Record<string, number>> {
  const reads = Object.entries(scalars).map(
    async ([name, scalar]) => [name, (await scalar.data())[0]] as const,
  );
  return Object.fromEntries(await Promise.all(reads));
}
