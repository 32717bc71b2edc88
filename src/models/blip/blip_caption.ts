import { ConfigError, DataError } from '../../common/errors.js';
import { registry } from '../../common/registry.js';
import { key, types } from '../../config/index.js';
import { tf } from '../../engine/index.js';
import { type Generated, generateIds, type WrittenIds } from '../generation/generate.js';
import { lookedAt } from '../generation/looked_at.js';
import { type GenerateOptions, resolveOptions } from '../generation/options.js';
import { embedsOf, imageEncodingOf, type PromptedSamples, seenImages } from '../image_embeds.js';
import { TextDecoder } from '../med/decoder.js';
import type { ForwardPasses, ImageEncoding } from '../model.js';
import { type EncodedTexts, withFirstToken } from '../tokenizer/tokenizer.js';
import type { CaptionModel, ScoredCaption, WordLook } from '../uses.js';
import { VisionTransformer } from '../vit.js';
import { BlipBase, type BlipParts } from './blip_base.js';
import { blipSchema, usualWords } from './config.js';
import { checkTexts, IGNORED, languageModelLoss } from './losses.js';

/** The keys of the `model` section. */
const blipCaptionSchema = blipSchema.extend({
  prompt: key(
    types.words,
    '',
    'The prompt that every caption begins with; part of neither the loss nor the result.',
  ),
  max_txt_len: key(types.natural, 40, 'Captions are truncated to this many tokens in training.'),
});

type CaptionParts = BlipParts<typeof blipCaptionSchema._output>;

/** The caller owns all tensors, and disposes of them once they are all read. */
export interface BlipCaptionOutput {
  loss: tf.Scalar;
  /** The same tensor as `loss`, which has no other part. */
  lossLm: tf.Scalar;
  /** Tokens that are predicted: the loss is their mean. */
  weight: number;
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
  /** Of each image: the tokens of its prompt, [DEC] included. */
  promptLengths: number[];
}

/** Texts as the decoder takes them. */
export interface TextBatch extends EncodedTexts {
  /** [B][T], -100 at the prompt and at padding. */
  targets: number[][];
}

/**
 * BLIP's captioning model: a ViT, and a decoder that reads the image and predicts the caption word by word.
 * Source: arXiv:2201.12086; lavis/models/blip_models/blip_caption.py.
 */
@registry.registerModel('blip_caption')
export class BlipCaption extends BlipBase implements CaptionModel {
  static readonly defaultConfigs: Readonly<Record<string, string>> = {
    base_coco: 'configs/models/blip_caption_base_coco.yaml',
    large_coco: 'configs/models/blip_caption_large_coco.yaml',
    shapes: 'configs/models/blip_caption_shapes.yaml',
  };
  static readonly configSchema = blipCaptionSchema;

  readonly visualEncoder: VisionTransformer;
  readonly textDecoder: TextDecoder;
  /** The prefix of every caption; excluded from the loss and from what `generate` returns. */
  readonly prompt: string;
  /** Tokens of the prompt, [DEC] included. */
  readonly promptLength: number;
  /** Texts are truncated to this many tokens. */
  readonly maxTextLength: number;

  constructor(parts: CaptionParts) {
    super(parts);
    const { section, vit, med } = parts;
    this.visualEncoder = this.child('visual_encoder', new VisionTransformer(vit));
    this.textDecoder = this.child('text_decoder', new TextDecoder(med));
    this.prompt = section.prompt ?? '';
    this.promptLength = this.#promptIds().length;
    // A small decoder may have fewer positions than the default length: texts are cut at the last one.
    this.maxTextLength = Math.min(section.max_txt_len, med.maxPositions);
    checkLengths(this);
  }

  passes(batch: number): ForwardPasses {
    const { visualEncoder, textDecoder, maxTextLength } = this;
    const written = { rows: batch, words: usualWords(maxTextLength), besides: 1, predicts: true };
    return { visualEncoder, med: textDecoder.config, images: batch, texts: [written] };
  }

  imageEncoding(): ImageEncoding {
    return imageEncodingOf(this.visualEncoder);
  }

  /**
   * The loss of predicting each caption from its image.
   * @param samples.image [B, H, W, 3], normalised, or image_embeds; samples.text_input with the prompt, or its own one,
   *   in front
   * @throws DataError for a prompt that leaves no room for a caption
   */
  forward({ text_input: texts = [], prompt: prompts, ...seen }: PromptedSamples): BlipCaptionOutput {
    checkTexts(seenImages(seen), texts);
    const text = this.readTexts(texts, prompts);
    return tf.tidy(() => {
      const imageEmbeds = embedsOf(this.visualEncoder, seen, this.noise); // [B, N, D]
      const logits = this.textDecoder.forward(text, { states: imageEmbeds }, this.noise); // [B, T, V]
      const loss = languageModelLoss(logits, text.targets);
      const decoderLabels = tf.tensor2d(text.targets, undefined, 'int32');
      return {
        loss,
        lossLm: loss,
        weight: text.targets.flat().filter((target) => target !== IGNORED).length,
        intermediateOutput: { imageEmbeds, decoderOutput: { logits }, decoderLabels },
      };
    });
  }

  /** Captions: `numCaptions` times `numReturnSequences` for each image, an image's next to each other. @throws ConfigError for a wrong option. */
  async generate(samples: PromptedSamples, options: GenerateOptions = {}): Promise<string[]> {
    return (await this.generateDetailed(samples, options)).captions;
  }

  async generateScored(samples: PromptedSamples, options: GenerateOptions = {}): Promise<ScoredCaption[]> {
    const { captions, sequences, scores, logProbabilities, promptLengths } = await this.generateDetailed(
      samples,
      options,
    );
    const each = captions.length / promptLengths.length;
    return captions.map((caption, row) => {
      const start = promptLengths[Math.floor(row / each)];
      const tokens = logProbabilities[row].map((logProbability, i) => {
        const id = sequences[row][start + i];
        return { id, token: this.tokenizer.tokenOf(id), logProbability };
      });
      const sum = logProbabilities[row].reduce((a, b) => a + b, 0);
      return { caption, logProbability: sum / tokens.length, score: scores?.[row], tokens };
    });
  }

  async lookedAt(samples: PromptedSamples, captions: readonly ScoredCaption[]): Promise<WordLook[][]> {
    const prompts = captions.map((_, i) => this.#promptIds(samples.prompt?.[i]));
    const states = tf.tidy(() => embedsOf(this.visualEncoder, samples).clone());
    try {
      return await lookedAt(this.textDecoder, this.tokenizer, { states, prompts }, captions);
    } finally {
      states.dispose();
    }
  }

  /** Captions with their token ids, and their scores where a beam search found them. */
  async generateDetailed(
    { prompt: own, ...seen }: PromptedSamples,
    options: GenerateOptions = {},
  ): Promise<GeneratedCaptions> {
    const prompts = Array.from({ length: seenImages(seen).shape[0] }, (_, i) => this.#promptIds(own?.[i]));
    const longest = Math.max(...prompts.map(({ length }) => length));
    const resolved = resolveOptions(options, longest, this.textDecoder.config);
    if (resolved.useNucleusSampling) resolved.seed ??= this.rng.uint32();
    const states = tf.tidy(() => embedsOf(this.visualEncoder, seen).clone());
    const badWords = resolved.badWords.map((word) => this.tokenizer.encode(word).slice(1, -1));
    const special = { eos: this.tokenizer.sepId, pad: this.tokenizer.padId, badWords };
    const textOf = (ids: readonly number[], image: number) =>
      own?.[image] == null
        ? this.#caption(ids)
        : this.tokenizer.decode(ids.slice(prompts[image].length)).trim();
    const { onStep } = options;
    const onIds =
      onStep &&
      ((written: readonly WrittenIds[]) =>
        onStep(
          written.map(({ image, caption, ids }) => ({ image, caption, text: textOf(ids, image).trim() })),
        ));
    try {
      const inputs = { states, prompts, onIds };
      const generated = await generateIds(this.textDecoder, inputs, special, resolved);
      const each = generated.sequences.length / prompts.length;
      const captions = generated.sequences.map((ids, row) => textOf(ids, Math.floor(row / each)));
      return { ...generated, captions, promptLengths: prompts.map(({ length }) => length) };
    } finally {
      states.dispose();
    }
  }

  /**
   * Texts as ids, [DEC] first, with the labels of each position.
   * @param prompts what texts begin with where that is not the model's own prompt
   * @throws DataError for a prompt that leaves no room for a caption
   */
  readTexts(texts: readonly string[], prompts?: PromptedSamples['prompt']): TextBatch {
    const { bosId, padId } = this.tokenizer;
    const text = withFirstToken(this.tokenizer.encodeBatch(texts, this.maxTextLength), bosId);
    const targets = text.inputIds.map((ids, row) => {
      const first = prompts?.[row] == null ? this.promptLength : this.#roomBehind(prompts[row]);
      return ids.map((id, at) => (id === padId || at < first ? IGNORED : id));
    });
    return { ...text, targets };
  }

  /** The tokens of a prompt, [DEC] first. */
  #promptIds(prompt: string | null = null): number[] {
    return [this.tokenizer.bosId, ...this.tokenizer.encode(prompt ?? this.prompt).slice(1, -1)];
  }

  /** Where a caption begins behind a prompt. @throws DataError where it is cut off whole */
  #roomBehind(prompt: string): number {
    const { length } = this.#promptIds(prompt);
    if (length < this.maxTextLength) return length;
    throw new DataError('a prompt leaves no room for a caption', {
      found: `${length} tokens: ${prompt.slice(0, 160)}`,
      allowed: `fewer than model.max_txt_len, ${this.maxTextLength} tokens`,
    });
  }

  /** The model's own prompt is taken off by its number of characters, as the reference does. */
  #caption(ids: readonly number[]): string {
    return this.tokenizer.decode(ids).slice(this.prompt.length);
  }
}

/** @throws ConfigError when texts have no room for the prompt and a word. */
function checkLengths({ maxTextLength, promptLength, textDecoder }: BlipCaption): void {
  if (maxTextLength > promptLength) return;
  throw new ConfigError('model.max_txt_len does not fit', {
    found: `${maxTextLength}`,
    allowed: `${promptLength + 1} (the prompt has ${promptLength} tokens) to ${textDecoder.config.maxPositions} (max_position_embeddings)`,
  });
}
