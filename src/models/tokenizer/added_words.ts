import { DataError } from '../../common/errors.js';
import { some } from '../../common/words.js';
import { BertTokenizer, type TokenizerOptions } from './tokenizer.js';

/** A vocabulary that words were added to, and what stands for them in the one before. */
export interface VocabularyGrowth {
  /** Ids before and after. */
  from: number;
  to: number;
  /** For each new id, the ids of the older pieces that it starts from the mean of; none starts from the mean of all. */
  pieces: readonly (readonly number[])[];
}

/**
 * A tokenizer whose vocabulary has further words, behind [DEC] and [ENC] so that all older ids stay.
 * @param words of a vocabulary file
 * @param added whole words, or pieces that begin with ##
 * @throws DataError for words that no text can come to: with capitals, accents, blanks or marks that texts lose
 */
export function withAddedWords(
  words: readonly string[],
  added: readonly string[],
  options: TokenizerOptions,
  { where, addedWhere }: { where: string; addedWhere: string },
): { tokenizer: BertTokenizer; growth: VocabularyGrowth } {
  // What the model learnt to read: lower case, no accents.
  const before = new BertTokenizer(words, where);
  const all = before.withSpecialWords();
  const known = new Set(all);
  const fresh = [...new Set(added)].filter((word) => !known.has(word));
  const tokenizer = new BertTokenizer([...all, ...fresh], where, options);
  const unreachable = fresh.filter((word) => !comesUp(word, tokenizer));
  if (unreachable.length > 0) {
    throw new DataError(`${unreachable.length} of ${fresh.length} added words never come up in a text`, {
      where: addedWhere,
      found: some(unreachable),
      allowed: 'one word a line, as the tokenizer reads it: without spaces or punctuation',
      help: 'model.strip_accents=False keeps accents, model.lower_case=False capitals',
    });
  }
  const pieces = fresh.map((word) => olderPieces(word, before));
  return { tokenizer, growth: { from: before.length, to: tokenizer.length, pieces } };
}

/** Whether a text may have the word's id: whole, or within a longer word. */
function comesUp(word: string, tokenizer: BertTokenizer): boolean {
  const id = tokenizer.idOf(word)!;
  if (!word.startsWith('##')) return tokenizer.encode(word).slice(1, -1).join() === String(id);
  const rest = word.slice(2);
  return rest !== '' && tokenizer.normalize(rest) === rest;
}

/** The pieces that a word had, or its letters that there were; as the middle of a word where it is one. */
function olderPieces(word: string, before: BertTokenizer): number[] {
  const inside = word.startsWith('##');
  const plain = inside ? word.slice(2) : word;
  const whole = before.encode(plain).slice(1, -1);
  const pieces = whole.includes(before.unkId)
    ? [...plain].flatMap((letter) => before.encode(letter).slice(1, -1))
    : whole;
  const found = pieces.filter((id) => id !== before.unkId);
  if (!inside) return found;
  return found.map((id, i) => (i === 0 && before.idOf(`##${before.tokenOf(id)}`)) || id);
}
