import { type HostTensor, toFloat32 } from '../common/host_tensor.js';
import type { VocabularyGrowth } from './tokenizer/added_words.js';

/** Weights with a row, or a number, for each word. */
const OF_WORDS = /(word_embeddings\.weight|predictions\.(decoder\.)?(weight|bias))$/;

/** Whether a checkpoint's tensor is of the vocabulary before words were added. */
export const growsWith = (
  name: string,
  [rows]: readonly number[],
  growth: VocabularyGrowth | undefined,
): boolean => growth !== undefined && rows === growth.from && rows !== growth.to && OF_WORDS.test(name);

/**
 * A tensor of words with further rows: each the mean of its pieces' rows, or of all rows.
 * @param words [W, …]; returns [W + new, …]
 */
export function growRows(words: HostTensor, { from, to, pieces }: VocabularyGrowth): HostTensor {
  const given = toFloat32(words);
  const width = given.length / from;
  const data = new Float32Array(to * width);
  data.set(given);
  const all = Array.from({ length: from }, (_, id) => id);
  for (const [i, ids] of pieces.entries()) {
    const mean = new Float64Array(width);
    const rows = ids.length > 0 ? ids : all;
    for (const id of rows) for (let k = 0; k < width; k++) mean[k] += given[id * width + k] / rows.length;
    data.set(mean, (from + i) * width);
  }
  return { dtype: 'float32', shape: [to, ...words.shape.slice(1)], data };
}
