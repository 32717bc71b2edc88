import { existsSync, readFileSync } from 'node:fs';
import { DataError } from '../../common/errors.js';
import { cachePath, resolveFile } from '../../common/paths.js';
import { ensureFile } from '../../fetch/index.js';
import { BertTokenizer } from './tokenizer.js';

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
 * @throws DataError when the file cannot be had: the message names the URL, the cache path and the option.
 */
export async function loadTokenizer(nameOrPath = DEFAULT_TOKENIZER): Promise<BertTokenizer> {
  const path = await vocabularyFile(nameOrPath);
  const lines = readFileSync(path, 'utf8').split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return new BertTokenizer(lines, path);
}

async function vocabularyFile(nameOrPath: string): Promise<string> {
  if (nameOrPath === DEFAULT_TOKENIZER) {
    return ensureFile(vocabularyItem());
  }
  const path = resolveFile(nameOrPath);
  if (existsSync(path)) return path;
  throw new DataError('the vocabulary is not there', {
    found: path,
    allowed: "a vocab.txt of one word a line, or 'bert-base-uncased'",
    help: OPTION,
  });
}
