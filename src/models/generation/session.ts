import { tf } from '../../engine/index.js';
import { type DecoderStep, MASKED, type Memory, type TextDecoder } from '../med.js';

export interface SessionOptions {
  /** Scores are logarithms of probabilities, of which a beam search makes sums; else what the model says. */
  logProbabilities: boolean;
}

/**
 * The decoder's memory while the texts of some images grow word by word.
 *
 * Every image has one growing row of kept words: first the prompt, then at each step the newest word of each
 * of its texts. A text does not own a copy of its past; a mask says which kept words it consists of. So
 * beams share their common past and the image, and reordering beams moves no memory.
 */
export class DecodingSession {
  #image: Memory[];
  #text: Memory[] = [];
  /** For each image and each of its texts: the places of its words in the image's row. */
  #places: number[][][];
  #kept = 0;
  /** Length of the texts read so far. */
  #length = 0;

  constructor(
    readonly decoder: TextDecoder,
    imageEmbeds: tf.Tensor,
    readonly options: SessionOptions,
  ) {
    this.#image = tf.tidy(() => decoder.rememberImage(imageEmbeds));
    this.#places = Array.from({ length: imageEmbeds.shape[0] }, () => []);
  }

  /** Reads the prompt. Returns the scores of the next word, [V] for each image. */
  async begin(prompt: readonly number[]): Promise<Float32Array[]> {
    const batch = this.#places.length;
    const length = prompt.length;
    const step = tf.tidy(() => {
      const ids = tf.tensor2d(
        Array.from({ length: batch }, () => [...prompt]),
        [batch, length],
        'int32',
      );
      return this.#scored(this.decoder.begin(ids, this.#image, causalMask(length)));
    });
    this.#kept = this.#length = length;
    this.#places = this.#places.map(() => [prompt.map((_, i) => i)]);
    return (await this.#take(step)).map(([row]) => row);
  }

  /**
   * Reads one more word of each text.
   * @param words for each image, the newest word of each of its texts; as many texts for every image
   * @param parents which text of the step before each text continues
   * @returns the scores of the next word, [V] for each image and text
   */
  async continue(words: readonly number[][], parents: readonly number[][]): Promise<Float32Array[][]> {
    const texts = words[0].length;
    this.#places = this.#places.map((before, b) =>
      parents[b].map((parent, t) => [...before[parent], this.#kept + t]),
    );
    this.#kept += texts;
    const step = tf.tidy(() => {
      const ids = tf.tensor2d(words.flat(), [words.length, texts], 'int32');
      const mask = this.#ownWordsMask(texts);
      return this.#scored(this.decoder.continue(ids, this.#length, this.#image, mask, this.#text));
    });
    this.#length++;
    return this.#take(step);
  }

  /** Goes on with some of the images only. @param images their indices. */
  keepImages(images: readonly number[]): void {
    if (images.length === this.#places.length) return;
    this.#places = images.map((image) => this.#places[image]);
    const select = (memories: Memory[]) =>
      tf.tidy(() => {
        const rows = tf.tensor1d([...images], 'int32');
        return memories.map(({ key, value }) => ({
          key: tf.gather(key, rows),
          value: tf.gather(value, rows),
        }));
      });
    for (const part of ['image', 'text'] as const) {
      const before = part === 'image' ? this.#image : this.#text;
      const after = select(before);
      tf.dispose(before);
      if (part === 'image') this.#image = after;
      else this.#text = after;
    }
  }

  dispose(): void {
    tf.dispose([...this.#image, ...this.#text]);
  }

  #scored(step: DecoderStep): DecoderStep {
    return this.options.logProbabilities ? { ...step, logits: tf.logSoftmax(step.logits) } : step;
  }

  /** Keeps the step's memory and reads its scores, [V] for each image and text. */
  async #take({ logits, text }: DecoderStep): Promise<Float32Array[][]> {
    tf.dispose(this.#text);
    this.#text = text;
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

  /** [B, 1, texts, kept]: zero at a text's own words. */
  #ownWordsMask(texts: number): tf.Tensor {
    const kept = this.#kept;
    const values = new Float32Array(this.#places.length * texts * kept).fill(MASKED);
    this.#places.flat().forEach((places, row) => {
      for (const place of places) values[row * kept + place] = 0;
    });
    return tf.tensor(values, [this.#places.length, 1, texts, kept]);
  }
}

/** [1, 1, length, length]: each word sees itself and those before it. */
export function causalMask(length: number): tf.Tensor {
  const values = new Float32Array(length * length);
  for (let query = 0; query < length; query++)
    values.fill(MASKED, query * length + query + 1, (query + 1) * length);
  return tf.tensor(values, [1, 1, length, length]);
}
