import type { Config } from '../../config/index.js';
import { type BertTokenizer, tokenizerOf } from '../../models/index.js';
import { textProcessorOf } from '../../processors/index.js';
import type { DatasetsBySplit } from '../../runners/index.js';
import { captionsOf } from './captions.js';

/** A word is worth an id of its own from so many uses on, where it has so many pieces. */
const USES = 2;
const PIECES = 3;

/**
 * Words of the texts that are trained on which the vocabulary has in many pieces or not at all, the most used first;
 * before them the letters that it lacks, alone and inside a word.
 */
export async function newWords({ model, datasets }: Config, splits: DatasetsBySplit): Promise<string[]> {
  const { tokenizer } = await tokenizerOf(model);
  const uses = new Map<string, number>();
  for (const [name, { train }] of Object.entries(splits)) {
    if (!train || 'iterable' in train) continue;
    const processor = textProcessorOf({ name: `datasets.${name}`, section: datasets[name] }, 'train');
    for (const { caption } of captionsOf(train)) {
      for (const word of wordsOf(processor?.apply(caption) ?? caption, tokenizer)) {
        uses.set(word, (uses.get(word) ?? 0) + 1);
      }
    }
  }
  const words = [...uses].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const letters = new Set(words.flatMap(([word]) => [...word]));
  const lacked = [...letters]
    .sort()
    .flatMap((letter) => (HAN.test(letter) ? [letter] : [letter, `##${letter}`]));
  const scattered = words.filter(([word, count]) => count >= USES && isScattered(word, tokenizer));
  return [...lacked, ...scattered.map(([word]) => word)].filter(
    (token, i, all) => tokenizer.idOf(token) === undefined && all.indexOf(token) === i,
  );
}

/** Chinese characters are words each; other letters in a row are one. */
const HAN = /\p{Script=Han}/u;
const WORD = /\p{Script=Han}|(?:(?!\p{Script=Han})[\p{L}\p{M}\p{N}])+/gu;

const wordsOf = (text: string, tokenizer: BertTokenizer): string[] =>
  tokenizer.normalize(text).match(WORD) ?? [];

function isScattered(word: string, tokenizer: BertTokenizer): boolean {
  const ids = tokenizer.encode(word).slice(1, -1);
  return ids.length >= PIECES || ids.includes(tokenizer.unkId);
}
