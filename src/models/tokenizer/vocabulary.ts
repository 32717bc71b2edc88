import { existsSync } from 'node:fs';
import { z } from 'zod';
import { DataError } from '../../common/errors.js';
import { cachePath, resolveFile } from '../../common/paths.js';
import { readText } from '../../common/text_file.js';
import { key, readSection, types } from '../../config/index.js';
import { ensureFile } from '../../fetch/index.js';
import { type VocabularyGrowth, withAddedWords } from './added_words.js';
import { BertTokenizer, type TokenizerOptions } from './tokenizer.js';
import { wordsOf } from './vocabulary_file.js';

const BERT_BASE_UNCASED = {
  url: 'https://huggingface.co/bert-base-uncased/resolve/main/vocab.txt',
  sha256: '07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3',
};
/** What `model.tokenizer` is where a section does not say. */
export const DEFAULT_TOKENIZER = 'bert-base-uncased';
const OPTION = 'model.tokenizer=FILE';

/** The vocabulary of bert-base-uncased: where it comes from, and where it lies once it is downloaded. */
export const vocabularyItem = () => ({
  ...BERT_BASE_UNCASED,
  path: cachePath('bert-base-uncased/vocab.txt'),
  what: 'the vocabulary of bert-base-uncased',
  option: OPTION,
});

/**
 * The tokenizer of a vocabulary file, or of `bert-base-uncased`, which is downloaded once into the cache.
 * @throws DataError when the file cannot be downloaded: the message names the URL, the cache path and the option.
 */
export async function loadTokenizer(
  nameOrPath = DEFAULT_TOKENIZER,
  options: TokenizerOptions = {},
): Promise<BertTokenizer> {
  const path = await vocabularyFile(nameOrPath);
  return new BertTokenizer(wordsOf(path), path, options);
}

/** The keys of a `model` section that make its tokenizer. */
export const tokenizerKeys = {
  tokenizer: key(
    types.text,
    DEFAULT_TOKENIZER,
    '`bert-base-uncased`, or a vocabulary file: one word a line, or a tokenizer.json.',
  ),
  lower_case: key(
    types.flag,
    true,
    'Capitals are read as small letters, as `bert-base-uncased` has it; False with a vocabulary that has capitals.',
  ),
  strip_accents: key(
    types.flag,
    undefined,
    'Letters are read without their accents; as `lower_case` by default. False with a vocabulary that has them.',
  ),
  added_words: key(
    types.text,
    undefined,
    'A file of additional words, one per line (subwords begin with ##): each starts from the mean of its former subword embeddings.',
  ),
};

/** The tokenizer of a `model` section, and what words that were added start from. */
export interface SectionTokenizer {
  tokenizer: BertTokenizer;
  growth?: VocabularyGrowth;
}

/** @throws DataError as `loadTokenizer` and `withAddedWords` */
export async function tokenizerOf(section: object): Promise<SectionTokenizer> {
  const keys = readSection('model', z.object(tokenizerKeys), section, { unknown: 'ignore' });
  const options = { lowerCase: keys.lower_case, stripAccents: keys.strip_accents };
  if (!keys.added_words) return { tokenizer: await loadTokenizer(keys.tokenizer, options) };
  const path = await vocabularyFile(keys.tokenizer);
  const file = resolveFile(keys.added_words);
  const text = await readText(file, { what: 'a file of added words' });
  const added = text
    .split(/\r?\n/)
    .map((line) => line.trim().normalize('NFC'))
    .filter((line) => line !== '');
  return withAddedWords(wordsOf(path), added, options, { where: path, addedWhere: file });
}

async function vocabularyFile(nameOrPath: string): Promise<string> {
  if (nameOrPath === DEFAULT_TOKENIZER) {
    return ensureFile(vocabularyItem());
  }
  const path = resolveFile(nameOrPath);
  if (existsSync(path)) return path;
  throw new DataError('the vocabulary is not there', {
    found: path,
    allowed: "a vocab.txt of one word a line, a tokenizer.json, or 'bert-base-uncased'",
    help: OPTION,
  });
}
