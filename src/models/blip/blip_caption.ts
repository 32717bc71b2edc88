import { ConfigError, DataError, messageOf } from '../common/errors.js';
import { Rng } from '../common/random.js';
import { registry } from '../common/registry.js';
import type { PlainObject } from '../config/index.js';
import { softmaxCrossEntropy, tf } from '../engine/index.js';
import { Module } from '../nn/index.js';
import type { ParamGroup } from '../optim/index.js';
import {
  type BlipCaptionSection,
  blipCaptionSchema,
  parseBlipCaptionSection,
  vitConfigOf,
} from './blip_config.js';
import { type Generated, generateIds } from './generation/generate.js';
import { type GenerateOptions, resolveOptions } from './generation/options.js';
import { MASKED, type MedConfig, TextDecoder } from './med.js';
import { readMedConfig } from './med_config.js';
import type { BuildOptions, CaptionModel, CaptionSamples } from './model.js';
import { optimizerGroups } from './optimizer_groups.js';
import type { BertTokenizer, EncodedTexts } from './tokenizer/tokenizer.js';
import { loadTokenizer } from './tokenizer/vocabulary.js';
import { VisionTransformer, type VitConfig } from './vit.js';
import { loadWeights, locateWeights, type WeightsReport } from './weights.js';

/** Label of positions that do not count. */
const IGNORED = -100;
const LABEL_SMOOTHING = 0.1;

export interface BlipCaptionConfig {
  vit: VitConfig;
  med: MedConfig;
  tokenizer: BertTokenizer;
  /** Every caption begins with it; it is no part of the loss nor of what `generate` returns. */
  prompt?: string;
  /** Texts are cut to so many tokens. */
  maxTextLength?: number;
  /** Dropout and stochastic depth are drawn from it. */
  seed?: number;
}

/** The caller owns all tensors. */
export interface BlipCaptionOutput {
  loss: tf.Scalar;
  lossLm: tf.Scalar;
  intermediateOutput: {
    /** [B, N, D] */
    imageEmbeds: tf.Tensor3D;
    /** logits [B, T, V] */
    decoderOutput: { logits: tf.Tensor3D };
    /** int32 [B, T], -100 where nothing is to be predicted. */
    decoderLabels: tf.Tensor2D;
  };
}

/** What `generateDetailed` returns. */
export interface GeneratedCaptions extends Generated {
  captions: string[];
}

/**
 * BLIP's captioning model: a ViT, and a decoder that reads the image and predicts the caption word by word.
 * Source: arXiv:2201.12086; lavis/models/blip_models/blip_caption.py.
 */
@registry.registerModel('blip_caption')
export class BlipCaption extends Module implements CaptionModel {
  static readonly defaultConfigs: Readonly<Record<string, string>> = {
    base_coco: 'configs/models/blip_caption_base_coco.yaml',
    large_coco: 'configs/models/blip_caption_large_coco.yaml',
    shapes: 'configs/models/blip_caption_shapes.yaml',
  };
  /** The keys of the `model` section. */
  static readonly configSchema = blipCaptionSchema;

  readonly visualEncoder: VisionTransformer;
  readonly textDecoder: TextDecoder;
  readonly tokenizer: BertTokenizer;
  readonly prompt: string;
  /** Tokens of the prompt, [DEC] included. */
  readonly promptLength: number;
  readonly maxTextLength: number;
  readonly #rng: Rng;

  /** Parameters start as zeros: see `initialize`, `loadStateDict`, `loadCheckpoint`. */
  constructor({ vit, med, tokenizer, prompt = '', maxTextLength = 40, seed = 42 }: BlipCaptionConfig) {
    super();
    this.visualEncoder = this.child('visual_encoder', new VisionTransformer(vit));
    this.textDecoder = this.child('text_decoder', new TextDecoder(med));
    this.tokenizer = tokenizer;
    this.prompt = prompt;
    this.promptLength = tokenizer.encode(prompt).length - 1;
    // A small decoder may have fewer positions than the default length: texts are cut at the last one.
    this.maxTextLength = Math.min(maxTextLength, med.maxPositions);
    this.#rng = Rng.of(seed, 'model');
  }

  /**
   * Builds the model that a `model` section describes, and loads the weights that it names.
   * @throws ConfigError for wrong keys or sizes, DataError or CheckpointError for files.
   */
  static async fromConfig(section: PlainObject, { seed = 42 }: BuildOptions = {}): Promise<BlipCaption> {
    const config = parseBlipCaptionSection(section);
    const vit = vitConfigOf(config);
    const source = weightsOf(config);
    // Before the model takes its memory, and both, so that one message tells all that is not there.
    const [tokenizer, path] = await together(
      loadTokenizer(config.tokenizer),
      source && locateWeights(source.place, source.option),
    );
    const surroundings = { vocabSize: tokenizer.length, encoderWidth: vit.width };
    const med = readMedConfig(config.med_config_path, surroundings);
    const { prompt, max_txt_len: maxTextLength } = config;
    // not by its name: a class that extends this one is built here too
    const model = new this({ vit, med, tokenizer, prompt: prompt ?? '', maxTextLength, seed });
    try {
      model.#checkLengths();
      const report =
        path && source ? await model.#load(path, source.option, source.dropMismatched) : undefined;
      model.initialize(seed, report && model.#undrawn(new Set(report.missing)));
    } catch (thrown) {
      model.dispose();
      throw thrown;
    }
    return model;
  }

  /**
   * The loss of predicting each caption from its image.
   * @param samples.image [B, H, W, 3], normalised; samples.text_input with the prompt in front
   */
  forward({ image, text_input: texts = [] }: CaptionSamples): BlipCaptionOutput {
    if (texts.length !== image.shape[0]) {
      throw new DataError('each image needs one text', {
        found: `${image.shape[0]} images, ${texts.length} texts in text_input`,
      });
    }
    const rng = this.training ? this.#rng : undefined;
    const text = this.readTexts(texts);
    return tf.tidy(() => {
      const imageEmbeds = this.visualEncoder.forward(image, rng); // [B, N, D]
      const ids = matrix(text.inputIds); // [B, T]
      const logits = this.textDecoder.forward(ids, imageEmbeds, textMask(text), rng); // [B, T, V]
      const [batch, length, words] = logits.shape;
      const loss = softmaxCrossEntropy(
        logits.reshape([batch * length, words]),
        tf.tensor1d(text.targets.flatMap(nextWords), 'int32'),
        { labelSmoothing: LABEL_SMOOTHING, ignoreIndex: IGNORED },
      );
      const decoderLabels = matrix(text.targets);
      return {
        loss,
        lossLm: loss,
        intermediateOutput: { imageEmbeds, decoderOutput: { logits }, decoderLabels },
      };
    });
  }

  /** Captions: `numCaptions` for each image, an image's next to each other. @throws ConfigError for a wrong option. */
  async generate(samples: CaptionSamples, options: GenerateOptions = {}): Promise<string[]> {
    return (await this.generateDetailed(samples, options)).captions;
  }

  /** Captions with their token ids, and their scores where a beam search found them. */
  async generateDetailed(
    { image }: CaptionSamples,
    options: GenerateOptions = {},
  ): Promise<GeneratedCaptions> {
    const promptIds = [this.tokenizer.bosId, ...this.tokenizer.encode(this.prompt).slice(1, -1)];
    const resolved = resolveOptions(options, promptIds.length, this.textDecoder.config);
    if (resolved.useNucleusSampling) resolved.seed ??= this.#rng.uint32();
    const imageEmbeds = tf.tidy(() => this.visualEncoder.forward(image));
    const special = { eos: this.tokenizer.sepId, pad: this.tokenizer.padId };
    try {
      const generated = await generateIds(this.textDecoder, imageEmbeds, promptIds, special, resolved);
      return { ...generated, captions: generated.sequences.map((ids) => this.#caption(ids)) };
    } finally {
      imageEmbeds.dispose();
    }
  }

  /** Texts as ids, [DEC] first, with the labels of each position. */
  readTexts(texts: readonly string[]): TextBatch {
    const { inputIds, attentionMask } = this.tokenizer.encodeBatch(texts, this.maxTextLength);
    const { padId, bosId } = this.tokenizer;
    for (const ids of inputIds) ids[0] = bosId;
    const targets = inputIds.map((ids) =>
      ids.map((id, at) => (id === padId || at < this.promptLength ? IGNORED : id)),
    );
    return { inputIds, attentionMask, targets };
  }

  /**
   * Loads all weights of a checkpoint of this architecture.
   * @param place a path, or a URL that is downloaded once
   * @throws CheckpointError when it is of another architecture or size.
   */
  async loadCheckpoint(place: string): Promise<WeightsReport> {
    return this.#load(place, FINETUNED_OPTION, false);
  }

  /** Loads what fits of a checkpoint; tensors of another shape are left out and reported. */
  async loadFromPretrained(place: string): Promise<WeightsReport> {
    return this.#load(place, PRETRAINED_OPTION, true);
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

  #load(place: string, option: string, dropMismatched: boolean): Promise<WeightsReport> {
    return loadWeights(this, place, { arch: 'blip_caption', option, dropMismatched });
  }

  /** @throws ConfigError when texts have no room for the prompt and a word. */
  #checkLengths(): void {
    if (this.maxTextLength > this.promptLength) return;
    const { maxPositions } = this.textDecoder.config;
    throw new ConfigError('model.max_txt_len does not fit', {
      found: `${this.maxTextLength}`,
      allowed: `${this.promptLength + 1} (the prompt has ${this.promptLength} tokens) to ${maxPositions} (max_position_embeddings)`,
    });
  }

  /** The missing names whose parameter came in under no other name. */
  #undrawn(missing: ReadonlySet<string>): Set<string> {
    const own = [...this.stateDict()];
    const loaded = new Set(own.filter(([name]) => !missing.has(name)).map(([, variable]) => variable));
    return new Set(own.filter(([, variable]) => !loaded.has(variable)).map(([name]) => name));
  }

  /** The prompt is taken off by its number of characters, as the reference does. */
  #caption(ids: readonly number[]): string {
    return this.tokenizer.decode(ids).slice(this.prompt.length);
  }
}

/** Texts as the decoder takes them. */
export interface TextBatch extends EncodedTexts {
  /** [B][T], -100 at the prompt and at padding. */
  targets: number[][];
}

const FINETUNED_OPTION = 'model.finetuned=FILE or model.load_finetuned=False';
const PRETRAINED_OPTION = 'model.load_pretrained=False or model.pretrained=FILE';

interface WeightsSource {
  place: string;
  option: string;
  dropMismatched: boolean;
}

/** load_finetuned's file, else load_pretrained's (which counts as true where a file is named), else none. */
function weightsOf(config: BlipCaptionSection): WeightsSource | undefined {
  if (config.load_finetuned) {
    return { place: named(config, 'finetuned'), option: FINETUNED_OPTION, dropMismatched: false };
  }
  if (config.load_pretrained ?? config.pretrained) {
    return { place: named(config, 'pretrained'), option: PRETRAINED_OPTION, dropMismatched: true };
  }
  return undefined;
}

function named(config: BlipCaptionSection, key: 'finetuned' | 'pretrained'): string {
  const place = config[key];
  if (place) return place;
  throw new ConfigError(`model.load_${key} is true, and model.${key} names no file`, {
    help: `model.${key}=FILE, or model.load_${key}=False`,
  });
}

/** Waits for both. @throws the failure, or one DataError that tells both. */
async function together<A, B>(a: Promise<A>, b: Promise<B> | undefined): Promise<[A, B | undefined]> {
  const results = await Promise.allSettled([a, b]);
  const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  if (reasons.length === 2) {
    throw new DataError('the model needs two files that cannot be had', {
      found: reasons.map(messageOf).join('\n'),
    });
  }
  if (reasons.length === 1) throw reasons[0];
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as [A, B | undefined];
}

const matrix = (rows: number[][]) => tf.tensor2d(rows, [rows.length, rows[0].length], 'int32');

/** The label of each position is the next word; the last position has none. */
const nextWords = (targets: number[]) => [...targets.slice(1), IGNORED];

/** [B, 1, T, T]: each word sees itself and those before it, and no padding. */
function textMask({ attentionMask }: EncodedTexts): tf.Tensor {
  const length = attentionMask[0].length;
  const values = new Float32Array(attentionMask.length * length * length);
  let at = 0;
  for (const row of attentionMask) {
    for (let query = 0; query < length; query++) {
      for (let key = 0; key < length; key++) values[at++] = key <= query && row[key] ? 0 : MASKED;
    }
  }
  return tf.tensor(values, [attentionMask.length, 1, length, length]);
}
