import type { TextDecoder } from '../med/decoder.js';
import type { BertTokenizer } from '../tokenizer/tokenizer.js';
import type { ScoredCaption, ScoredToken, WordLook } from '../uses.js';
import type { GenerationInputs } from './generate.js';

/**
 * Reads finished captions once more, all words at a time, and tells what each looked at while it was chosen: the
 * cross-attention of the word before it, the mean over layers and heads, without the class token.
 * @param inputs one image, and one prompt, for each caption
 */
export async function lookedAt(
  decoder: TextDecoder,
  tokenizer: BertTokenizer,
  { states, prompts }: GenerationInputs,
  captions: readonly ScoredCaption[],
): Promise<WordLook[][]> {
  const texts = captions.map(({ tokens = [] }, i) => [...prompts[i], ...tokens.map(({ id }) => id)]);
  const longest = Math.max(...texts.map(({ length }) => length));
  const padded = texts.map((ids) => Array.from({ length: longest }, (_, t) => ids[t] ?? tokenizer.padId));
  const attentionMask = texts.map((ids) =>
    Array.from({ length: longest }, (_, t) => (t < ids.length ? 1 : 0)),
  );
  const attention = decoder.crossAttention({ inputIds: padded, attentionMask }, { states });
  const values = (await attention.data()) as Float32Array;
  const seen = states.shape[1]!;
  attention.dispose();
  const side = Math.sqrt(seen - 1);
  return captions.map(({ tokens = [] }, i) =>
    wordsOf(tokens).map(({ word, places }) => {
      const weights = new Float32Array(side * side);
      for (const place of places) {
        const row = (i * longest + prompts[i].length + place - 1) * seen;
        for (let patch = 0; patch < weights.length; patch++) {
          weights[patch] += values[row + 1 + patch] / places.length;
        }
      }
      return { word, weights, rows: side, columns: side };
    }),
  );
}

/** The words that tokens make, each with the places of its pieces; special tokens are no word. */
export function wordsOf(tokens: readonly ScoredToken[]): { word: string; places: number[] }[] {
  const words: { word: string; places: number[] }[] = [];
  for (const [place, { token }] of tokens.entries()) {
    if (/^\[.+\]$/.test(token)) continue;
    const last = words.at(-1);
    if (last && token.startsWith('##')) {
      last.word += token.slice(2);
      last.places.push(place);
    } else words.push({ word: token.replace(/^##/, ''), places: [place] });
  }
  return words;
}
