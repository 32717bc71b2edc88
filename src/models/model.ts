import type { z } from 'zod';
import { ConfigError } from '../common/errors.js';
import type { PlainObject } from '../config/index.js';
import type { tf } from '../engine/index.js';
import type { LoadReport, StateSource } from '../nn/index.js';
import type { ParamGroup } from '../optim/index.js';
import type { GenerateOptions } from './generation/options.js';

/** Images and their texts. */
export interface CaptionSamples {
  /** [B, H, W, 3], normalised. */
  image: tf.Tensor4D;
  text_input?: readonly string[];
}

/** A batch as a task hands it to a model: `image` is a tensor, the rest as the dataset made it. */
export type Samples = CaptionSamples & Record<string, unknown>;

/** What a model makes of a batch; its scalars named loss… are logged. */
export interface ModelOutput {
  loss: tf.Scalar;
  intermediateOutput?: { decoderLabels?: tf.Tensor };
}

/** What tasks, runners and commands ask of a registered model; a `Module` has half of it. */
export interface Model {
  /** The losses of a batch, which the caller owns. */
  forward(samples: Samples): ModelOutput;
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
  /** Starts the generator of dropout and drop path anew. */
  seed(seed: number): void;
  /** The generator's state, plain numbers. */
  rngState(): number[];
  restoreRngState(state: readonly number[]): void;
  dispose(): void;
}

/** A model that describes images. */
export interface CaptionModel extends Model {
  /** `numCaptions` for each image, an image's next to each other. */
  generate(samples: CaptionSamples, options?: GenerateOptions): Promise<string[]>;
}

/** The model as one that describes images. @throws ConfigError where it does not. */
export function captionModel(model: Model): CaptionModel {
  if (describesImages(model)) return model;
  throw new ConfigError('the model writes no captions', {
    found: `${model.constructor.name}, without generate()`,
    allowed: 'a model with generate(samples, options): Promise<string[]>',
  });
}

const describesImages = (model: Model): model is CaptionModel =>
  'generate' in model && typeof model.generate === 'function';

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
