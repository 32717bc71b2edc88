import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { DataError, messageOf } from '../../common/errors.js';

const tokenizerJson = z.object({
  added_tokens: z.array(z.object({ id: z.int(), content: z.string() })).default([]),
  model: z.object({ type: z.literal('WordPiece'), vocab: z.record(z.string(), z.int()) }),
});

/**
 * A vocabulary's words, each at the place of its id: the lines of a vocab.txt, or what a tokenizer.json of Hugging Face's
 * has, which is all that newer transformers save.
 * @throws DataError for a tokenizer.json that is broken, not BERT's, or lacks an id
 */
export function wordsOf(path: string): string[] {
  const text = readFileSync(path, 'utf8');
  if (path.endsWith('.json')) return wordsOfJson(text, path);
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

function wordsOfJson(text: string, where: string): string[] {
  const unusable = (found: string, cause?: unknown) =>
    new DataError('a vocabulary cannot be read', {
      ...{ where, found, cause },
      allowed: 'the tokenizer.json of a BERT (WordPiece), or a vocab.txt of one word a line',
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    throw unusable(messageOf(thrown), thrown);
  }
  const { data, error } = tokenizerJson.safeParse(value);
  if (!data) throw unusable(`${error.issues[0].path.join('.')}: ${error.issues[0].message}`);
  const words = new Map(data.added_tokens.map(({ id, content }) => [id, content]));
  for (const [word, id] of Object.entries(data.model.vocab)) words.set(id, word);
  return Array.from({ length: words.size }, (_, id) => {
    const word = words.get(id);
    if (word === undefined) throw unusable(`no word has the id ${id}`);
    return word;
  });
}
