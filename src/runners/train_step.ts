import type { Batch } from '../datasets/index.js';
import { tf, valueAndGrads } from '../engine/index.js';
import type { AdamW } from '../optim/index.js';
import { type BaseTask, toSamples } from '../tasks/index.js';
import { addGradients, clipGradients, disposeGradients, type Gradients, gradientNorm } from './gradients.js';
import type { RunnableModel } from './model.js';

/** What one micro-step made. */
export interface StepReport {
  /** Every loss by its name in the log; of the batch itself, not divided by the accumulation. */
  losses: Record<string, number>;
  /** Of the accumulated gradient, where this micro-step ended with an update. */
  gradNorm?: number;
  /** A loss or gradient that is NaN or infinite: it was left out. */
  bad?: 'loss' | 'gradient';
}

/** Averages gradients and losses over the workers; absent in a world of one. */
export interface GradientSync {
  /** Called during the backward pass as soon as a gradient is final. */
  onGrad?(name: string, grad: tf.Tensor): void;
  /** Replaces the gradients by their average over all ranks. */
  average(grads: Gradients): Promise<void>;
  /** The mean of a few numbers over all ranks. */
  averageNumbers(values: number[]): Promise<number[]>;
}

export interface TrainStepOptions {
  task: BaseTask;
  model: RunnableModel;
  optimizer: AdamW;
  accumGradIters: number;
  clipGradNorm?: number;
  sync?: GradientSync;
}

/**
 * Micro-steps and updates: the gradient of an update is the mean over `accumGradIters` micro-batches. Owns
 * the gradients between the two.
 */
export class TrainStep {
  readonly #accumulated: Gradients = new Map();
  readonly #parameters: Map<string, tf.Variable>;

  constructor(private readonly options: TrainStepOptions) {
    this.#parameters = options.model.namedParameters();
  }

  /** Forward and backward of one micro-batch; with `update`, the optimizer's step. */
  async run(batch: Batch, lr: number, update: boolean): Promise<StepReport> {
    const { losses, grads } = this.#backward(batch, update);
    const averaged = await this.#averageLosses(losses);
    if (!Object.values(averaged).every(Number.isFinite)) {
      disposeGradients(grads);
      const others = update && this.#accumulated.size > 0;
      return { ...(others && (await this.#update(averaged, lr))), losses: averaged, bad: 'loss' };
    }
    addGradients(this.#accumulated, grads);
    return update ? this.#update(averaged, lr) : { losses: averaged };
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

  #backward(batch: Batch, update: boolean): { losses: Record<string, number>; grads: Gradients } {
    const { task, model, accumGradIters, sync } = this.options;
    const samples = toSamples(batch);
    const kept: Record<string, tf.Scalar> = {};
    const onGrad = update && accumGradIters === 1 ? sync?.onGrad?.bind(sync) : undefined;
    try {
      const { value, grads } = valueAndGrads(
        () => {
          const { loss, named } = task.trainStep(model, samples);
          for (const [name, scalar] of Object.entries(named)) kept[name] = tf.keep(scalar.clone());
          return accumGradIters === 1 ? loss : tf.div(loss, accumGradIters);
        },
        this.#parameters,
        { onGrad },
      );
      value.dispose();
      return { losses: numbersOf(kept), grads };
    } finally {
      samples.image.dispose();
      tf.dispose(kept);
    }
  }

  async #update(losses: Record<string, number>, lr: number): Promise<StepReport> {
    const { optimizer, clipGradNorm, sync } = this.options;
    await sync?.average(this.#accumulated);
    const gradNorm = gradientNorm(this.#accumulated);
    if (!Number.isFinite(gradNorm)) {
      this.reset();
      return { losses, gradNorm, bad: 'gradient' };
    }
    if (clipGradNorm) clipGradients(this.#accumulated, gradNorm, clipGradNorm);
    optimizer.step(this.#accumulated, lr);
    this.reset();
    return { losses, gradNorm };
  }

  /** The same numbers on every rank, so that all of them agree on what a bad loss is. */
  async #averageLosses(losses: Record<string, number>): Promise<Record<string, number>> {
    const { sync } = this.options;
    if (!sync) return losses;
    const means = await sync.averageNumbers(Object.values(losses));
    return Object.fromEntries(Object.keys(losses).map((name, i) => [name, means[i]]));
  }
}

function numbersOf(scalars: Record<string, tf.Scalar>): Record<string, number> {
  return Object.fromEntries(Object.entries(scalars).map(([name, scalar]) => [name, scalar.dataSync()[0]]));
}
