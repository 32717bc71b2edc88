import type { z } from 'zod';
import { ConfigError } from '../common/errors.js';
import { log } from '../common/logging.js';
import type { PlainObject } from '../config/index.js';
import type { Communicator } from '../distributed/index.js';
import type { tf } from '../engine/index.js';
import type { LoadReport, StateSource } from '../nn/index.js';
import type { ParamGroup } from '../optim/index.js';
import type { MedConfig } from './med/config.js';
import type { VisionTransformer } from './vit.js';

/** Images and their texts. */
export interface CaptionSamples {
  /** [B, H, W, 3], normalised. */
  image: tf.Tensor4D;
  text_input?: readonly string[];
}

/**
 * A batch as a task hands it to a model: tensors and lists under the reference's names. Each model says what it
 * takes: `CaptionSamples`, for one.
 */
export type Samples = object;

/** What a model makes of a batch; its scalars named loss… are logged. */
export interface ModelOutput {
  loss: tf.Scalar;
  /** Of how many terms the loss is the mean: what it counts beside other ranks' losses; one as much as another's by default. */
  weight?: number;
}

/** What a run is going to do, as far as a model may have to say to it. */
export interface TrainingPlan {
  /** Samples of a micro-batch, over all ranks. */
  batch: number;
}

/** What passes through the parts of a model in a training step, so that its memory can be estimated. */
export interface ForwardPasses {
  visualEncoder: VisionTransformer;
  med: MedConfig;
  /** Images that the image encoder keeps something of for the backward pass. */
  images: number;
  texts: {
    rows: number;
    /** Tokens a row. */
    words: number;
    /** Beside how many images each is read. */
    besides: number;
    /** Whether words are predicted, over the whole vocabulary. */
    predicts?: boolean;
  }[];
}

/** Tensors by name, the samples of a batch along their first axis. */
export type Encoded = Record<string, tf.Tensor>;

/** What a model encoded, and what all ranks did. */
export interface Exchanged {
  own: Encoded;
  all: Encoded;
  rank: number;
}

/** What a run trains and saves of a model whose other weights stay as they are. */
export interface ModelAdapter {
  /** What a checkpoint holds in place of `stateDict`: live tensors. */
  state(): Map<string, tf.Variable>;
  /** What has to be the same when a run goes on, by name: the base that the adapter belongs to, its settings. */
  facts(): Promise<Record<string, string>>;
  /** Writes it into a folder as PEFT reads it. */
  save(folder: string): Promise<void>;
}

/**
 * What makes embeddings of images, which the rest of a model reads in place of pixels: in samples they are called
 * `image_embeds` where the pixels are called `image`.
 */
export interface ImageEncoding {
  /** Its name in the model, as `model.freeze` takes it. */
  readonly part: string;
  /** Tokens and width of an image's embeddings. */
  readonly shape: readonly [number, number];
  /** Whether no training step changes it, nor does it draw anything in training. */
  readonly isFrozen: boolean;
  /** @param image [B, H, W, 3], normalised; returns [B, tokens, width], which the caller owns */
  encode(image: tf.Tensor4D): tf.Tensor3D;
  /** Differs wherever embeddings of the same pixels do: a hash of weights and settings. */
  digest(): Promise<string>;
}

/** What tasks, runners and commands ask of a registered model; a `Module` has half of it. */
export interface Model {
  /**
   * The losses of a batch, which the caller owns. In one process it does all that a training step asks of the
   * model beside gradients: momentum copies, queues.
   * @param exchanged what `encode` gave, on a model that has it and in a run of several ranks
   */
  forward(samples: Samples, exchanged?: Exchanged): ModelOutput;
  train(): this;
  eval(): this;
  /** What is trained: gradients are made for these alone. */
  namedParameters(): Map<string, tf.Variable>;
  /** What a checkpoint holds: the live tensors. */
  stateDict(): Map<string, tf.Variable>;
  loadStateDict(state: StateSource, options?: { strict?: boolean }): LoadReport;
  getOptimizerParams(weightDecay: number): ParamGroup[];
  /** Loads all weights of a checkpoint, a path or a URL. */
  loadCheckpoint(place: string): Promise<LoadReport>;
  /** Loads what fits of it. */
  loadFromPretrained(place: string): Promise<LoadReport>;
  /** Of a model of which only adapters are trained. */
  readonly adapter?: ModelAdapter;
  /** Loads an adapter, a folder of PEFT's, over the weights that are there. */
  loadAdapter?(folder: string): Promise<void>;
  /** Makes adapters parts of the weights, for inference. */
  mergeAdapter?(): void;
  /** Rounds the weights of linear layers to 8 bits, for inference; it cannot be trained or saved from then on. */
  quantize?(): void;
  /**
   * Gives a value to what a checkpoint did not have and the model can tell by itself: momentum copies start from
   * the weights that they follow.
   * @returns the names that it gave a value
   */
  fillMissing?(missing: readonly string[]): string[];
  /** Says before a run what would stop it later. @throws ConfigError that names both numbers. */
  checkPlan?(plan: TrainingPlan): void;
  /**
   * In a run of several ranks, called before the forward pass of every micro-step, while nothing is recorded: what
   * the pass would do with its own features alone (fill a queue) is left to `afterStep`, which has those of all
   * ranks.
   */
  beforeStep?(samples: Samples, comm: Communicator): Promise<void>;
  /** In a run of several ranks, called after the backward pass of every micro-step, on every rank. */
  afterStep?(comm: Communicator): Promise<void>;
  /**
   * Of a model whose losses take in other ranks' samples, gradients included (negatives of all ranks), for a run of
   * several ranks: the first of two recorded parts. The runner gathers what it gives from all ranks, in their order
   * along the first axis, records `forward(samples, exchanged)`, sums the gradients of the gathered tensors over
   * the ranks, and carries the own rows of the sum back through this part (`record` of the engine).
   */
  encode?(samples: Samples): Encoded;
  /**
   * The one part that reads pixels, of a model that takes its embeddings as well: these can be remembered.
   * @throws ConfigError of a model that may read pixels otherwise, which says by what
   */
  imageEncoding?(): ImageEncoding;
  /** Of a model that changes in a forward pass: while held it does not, so that a loss can be measured. */
  hold?(held: boolean): void;
  /** What a training step of so many samples takes through the model; unknown where it does not say. */
  passes?(batch: number): ForwardPasses;
  /** Reseeds the generator of dropout and drop path. */
  seed(seed: number): void;
  /** The generator's state, plain numbers. */
  rngState(): number[];
  restoreRngState(state: readonly number[]): void;
  dispose(): void;
}

/** Lets a model fill in what a checkpoint lacked, and says so. @returns the names that it could not fill */
export function fillMissing(model: Model, missing: readonly string[]): string[] {
  const filled = new Set(missing.length ? model.fillMissing?.(missing) : []);
  if (filled.size) {
    log.info(`${filled.size} tensors that the checkpoint lacks start from the weights that they follow`);
  }
  return missing.filter((name) => !filled.has(name));
}

/** Rounds a model's weights to 8 bits, for inference. @throws ConfigError for a model that cannot; EngineError off the CPU */
export function quantizeModel(model: Model): void {
  if (!model.quantize) {
    throw new ConfigError(`${model.constructor.name} cannot be quantized`, {
      where: 'run.quantize',
      help: 'leave it out; a model class of your own needs a method quantize()',
    });
  }
  model.quantize();
}

/** Says that a model has no loss. @throws ConfigError */
export function noLoss(model: Model, instead: string): never {
  throw new ConfigError('the model computes no loss, so it cannot be trained', {
    found: model.constructor.name,
    help: `it is used through ${instead}`,
  });
}

/** What the registry knows of an architecture. */
export interface ModelClass<M extends Model = Model> {
  /** The default configuration file of each model type. */
  readonly defaultConfigs: Readonly<Record<string, string>>;
  /** The keys of its `model` section; any where left out. */
  readonly configSchema?: z.ZodObject;
  /** @param section the `model` section, defaults merged in. */
  fromConfig(section: PlainObject, options?: BuildOptions): Promise<M>;
}

export interface BuildOptions {
  /** First weights and dropout are drawn from it. */
  seed?: number;
  /**
   * Whether it is built to be trained (as it is unless told): what a pretrained checkpoint lacks may start anew
   * then. For anything else the checkpoint must be complete.
   */
  training?: boolean;
}
