import { tf } from '../../engine/index.js';
import type { TextDecoder } from '../med/decoder.js';
import type { ReadBeside } from '../med/encoder.js';
import type { KVCache } from '../med/kv_cache.js';
import type { AttentionMask } from '../med/masks.js';

export interface SessionOptions {
  /** Scores are logarithms of probabilities, of which a beam search makes sums; else what the model says. */
  logProbabilities: boolean;
}

/**
 * The texts of some samples (images, say) while they grow word by word.
 *
 * Every sample has one row of cached words: first the prompt, then at each step the newest word of each of its
 * texts. A text does not own a copy of its past; a mask says which cached words it consists of. So beams share
 * their common past and the image, and reordering beams moves no memory.
 */
export class DecodingSession {
  readonly #cache: KVCache;
  #statesMask?: AttentionMask;
  /** For each sample and each of its texts: the places of its words in the sample's row. */
  #places: number[][][];
  #cached = 0;
  /** Length of the texts read so far. */
  #length = 0;

  /** @param beside what the texts are written beside, [B, N, encoderWidth] */
  constructor(
    readonly decoder: TextDecoder,
    { states, statesMask }: ReadBeside,
    readonly options: SessionOptions,
  ) {
    this.#cache = decoder.newCache(states);
    this.#statesMask = statesMask;
    this.#places = Array.from({ length: states.shape[0] }, () => []);
  }

  /**
   * Reads the prompts.
   * @param prompts one for each sample, all of one length
   * @returns the scores of the next word, [V] for each sample
   */
  async prefill(prompts: readonly (readonly number[])[]): Promise<Float32Array[]> {
    this.#cached = this.#length = prompts[0].length;
    this.#places = prompts.map((prompt) => [prompt.map((_, i) => i)]);
    const logits = tf.tidy(() => this.#scores(this.decoder.prefill(prompts, this.#cache, this.#statesMask)));
    return (await this.#read(logits)).map(([row]) => row);
  }

  /**
   * Reads one more word of each text.
   * @param words for each sample, the newest word of each of its texts; as many texts for every sample
   * @param parents which text of the step before each text continues
   * @returns the scores of the next word, [V] for each sample and text
   */
  async step(words: readonly number[][], parents: readonly number[][]): Promise<Float32Array[][]> {
    const texts = words[0].length;
    this.#places = this.#places.map((before, b) =>
      parents[b].map((parent, t) => [...before[parent], this.#cached + t]),
    );
    this.#cached += texts;
    const masks = { places: this.#places, cached: this.#cached, statesMask: this.#statesMask };
    const logits = tf.tidy(() =>
      this.#scores(this.decoder.decodeStep(words, this.#length, this.#cache, masks)),
    );
    this.#length++;
    return this.#read(logits);
  }

  /** Goes on with some of the samples only. @param samples their indices. */
  keep(samples: readonly number[]): void {
    if (samples.length === this.#places.length) return;
    this.#places = samples.map((sample) => this.#places[sample]);
    this.#statesMask = this.#statesMask && samples.map((sample) => this.#statesMask![sample]);
    this.#cache.select(samples);
  }

  dispose(): void {
    this.#cache.dispose();
  }

  #scores(logits: tf.Tensor): tf.Tensor {
    return this.options.logProbabilities ? tf.logSoftmax(logits) : logits;
  }

  /** The scores of the next word, [V] for each sample and text. */
  async #read(logits: tf.Tensor): Promise<Float32Array[][]> {
    const vocabulary = logits.shape.at(-1)!;
    // A copy: an engine may lend its memory out again once the tensor is disposed.
    const values = ((await logits.data()) as Float32Array).slice();
    logits.dispose();
    const texts = values.length / vocabulary / this.#places.length;
    return this.#places.map((_, b) =>
      Array.from({ length: texts }, (_, t) =>
        values.subarray((b * texts + t) * vocabulary, (b * texts + t + 1) * vocabulary),
      ),
    );
  }
}
