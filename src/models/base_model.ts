import { Rng } from '../common/random.js';
import { Module } from '../nn/index.js';
import type { ParamGroup } from '../optim/index.js';
import { type Exchanged, fillMissing, type Model, type ModelOutput, type Samples } from './model.js';
import { optimizerGroups } from './optimizer_groups.js';
import { loadWeights, type MayLack, type StateRefs, type WeightsReport } from './weights.js';

/** What every model has beside its layers: training or evaluation, a generator, parameter groups, weights. */
export abstract class BaseModel extends Module implements Model {
  #training = true;
  readonly #rng: Rng;

  /** @param seed of dropout, stochastic depth and whatever else is drawn while the model is used */
  constructor(seed = 42) {
    super();
    this.#rng = Rng.of(seed, 'model');
  }

  abstract forward(samples: Samples, exchanged?: Exchanged): ModelOutput;

  get training(): boolean {
    return this.#training;
  }

  /** Dropout and stochastic depth on (as a new model is). */
  train(): this {
    this.#training = true;
    return this;
  }

  /** Dropout and stochastic depth off. */
  eval(): this {
    this.#training = false;
    return this;
  }

  /** The model's generator. */
  protected get rng(): Rng {
    return this.#rng;
  }

  /** What layers draw dropout from: the generator in training; nothing in evaluation, nor is anything dropped. */
  protected get noise(): Rng | undefined {
    return this.#training ? this.#rng : undefined;
  }

  /** Parameter groups for AdamW. Source: lavis/models/base_model.py. */
  getOptimizerParams(weightDecay: number): ParamGroup[] {
    return optimizerGroups(this, weightDecay);
  }

  /** Starts the generator of dropout and stochastic depth anew. */
  seed(seed: number): void {
    this.#rng.restore(Rng.of(seed, 'model').state());
  }

  rngState(): number[] {
    return this.#rng.state();
  }

  restoreRngState(state: readonly number[]): void {
    this.#rng.restore(state);
  }

  /**
   * Loads all weights of a checkpoint of this architecture: wrapped, in parts, or under Hugging Face's names too.
   * @param place a path, or a URL that is downloaded once
   * @throws CheckpointError when one is missing, or it is of another architecture or size.
   */
  async loadCheckpoint(place: string): Promise<WeightsReport> {
    return this.load(place, FINETUNED_OPTION, 'nothing');
  }

  /** Loads what fits of a checkpoint; tensors of another shape are left out and reported. */
  async loadFromPretrained(place: string): Promise<WeightsReport> {
    return this.load(place, PRETRAINED_OPTION, 'anything');
  }

  /** A checkpoint's tensors under this model's names, where an older model's part has become two, say. */
  mapCheckpoint(state: StateRefs): StateRefs {
    return state;
  }

  /** Whether a weight may be missing in the checkpoint that a training starts from: it is drawn then. */
  mayStartNew(_name: string): boolean {
    return false;
  }

  fillMissing(_missing: readonly string[]): string[] {
    return [];
  }

  protected async load(place: string, option: string, mayLack: MayLack): Promise<WeightsReport> {
    const report = await loadWeights(this, place, { arch: this.constructor.name, option, mayLack });
    fillMissing(this, report.missing);
    return report;
  }

  /** The missing names whose tensor came in under no other name: what is left to be drawn. */
  protected undrawn(missing: readonly string[]): Set<string> {
    const absent = new Set(missing);
    const own = [...this.stateDict()];
    const loaded = new Set(own.filter(([name]) => !absent.has(name)).map(([, variable]) => variable));
    return new Set(own.filter(([, variable]) => !loaded.has(variable)).map(([name]) => name));
  }
}

export const FINETUNED_OPTION = 'model.finetuned=FILE or model.load_finetuned=False';
export const PRETRAINED_OPTION = 'model.load_pretrained=False or model.pretrained=FILE';
