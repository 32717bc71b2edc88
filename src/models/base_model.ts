import { Rng } from '../common/random.js';
import { releaseIdleMemory } from '../engine/index.js';
import { Module, type Quantizable } from '../nn/index.js';
import { optimizerGroups, type ParamGroup } from '../optim/index.js';
import { adapt, type BaseWeights, type LoraSection, loadAdapter, mergeAdapters } from './lora.js';
import {
  type Exchanged,
  fillMissing,
  type Model,
  type ModelAdapter,
  type ModelOutput,
  type Samples,
} from './model.js';
import {
  holdsAdapters,
  loadWeights,
  locateWeights,
  type MayLack,
  type StateRefs,
  type WeightsReport,
} from './weights.js';

/** What every model has beside its layers: training or evaluation, a generator, parameter groups, weights. */
export abstract class BaseModel extends Module implements Model {
  #training = true;
  #base?: BaseWeights;
  #adapter?: ModelAdapter;
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

  /** Reseeds the generator of dropout and stochastic depth. */
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

  /** What is trained of the model beside its weights; undefined where it is they. */
  get adapter(): ModelAdapter | undefined {
    return this.#adapter;
  }

  /**
   * Loads a LoRA adapter that PEFT or a run here saved: where `model.lora` made adapters, into them; else it becomes
   * part of the weights, and a second one comes on top of it.
   * @throws CheckpointError when it does not fit, or is of another kind
   */
  async loadAdapter(folder: string): Promise<void> {
    await loadAdapter(this, folder, this.#base);
  }

  /** Makes adapters parts of the weights, which inference is quicker with; they are trained no more. */
  mergeAdapter(): void {
    mergeAdapters(this);
    this.#adapter = undefined;
  }

  /**
   * Rounds the weights of linear layers to 8 bits (`quantizeWeight` of the engine), for inference alone.
   * @throws EngineError on a device other than the CPU
   */
  quantize(): void {
    this.mergeAdapter();
    for (const [, module] of this.namedModules()) {
      if (module !== this) (module as Partial<Quantizable>).quantize?.();
    }
    releaseIdleMemory();
  }

  /** Whether a checkpoint is to have a weight. @param given the checkpoint's names */
  expects(name: string, given: ReadonlySet<string>): boolean {
    if (!this.#adapter) return true;
    const own = this.#adapter.state();
    return holdsAdapters(given) ? own.has(name) : !own.has(name);
  }

  /**
   * Trains adapters from here on, and what the base lacked, in place of the weights.
   * @throws ConfigError for a target that is none
   */
  protected adapt(settings: LoraSection, startedAnew: ReadonlySet<string>, seed: number): void {
    const { adapter, drawn } = adapt(this, settings, startedAnew, () => this.#base);
    this.initialize(seed, drawn);
    this.#adapter = adapter;
  }

  protected async load(place: string, option: string, mayLack: MayLack): Promise<WeightsReport> {
    const path = await locateWeights(place, option);
    const report = await loadWeights(this, path, { arch: this.constructor.name, option, mayLack });
    if (!report.adapterAlone) this.#base = { place, path };
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
