import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, test } from 'node:test';
import { DataError } from '#src/common/errors.js';
import { BertTokenizer, loadTokenizer, vocabularyItem } from '#src/models/index.js';
import { fixture, fixtureJson, temporaryFolder } from '../support.js';

interface TokenizerCases {
  cases: {
    text: string;
    ids: number[];
    decoded: string;
    decoded_with_special: string;
    decoded_no_cleanup: string;
  }[];
  decode_only: { ids: number[]; decoded: string; decoded_with_special: string }[];
}
interface Batches {
  batches: { texts: string[]; max_length: number; input_ids: number[][]; attention_mask: number[][] }[];
  prompt_length: Record<string, number>;
}

/** It is not ours to give away: `lavis download bert-base-uncased` brings it, or a variable names it. */
const place = process.env.LAVIS_TEST_VOCABULARY ?? vocabularyItem().path;
const vocabulary = existsSync(place) ? place : undefined;

describe('with the genuine vocabulary', {
  skip: !vocabulary && `${place} is not there (lavis download bert-base-uncased)`,
}, () => {
  const { cases, decode_only } = fixtureJson<TokenizerCases>('text', 'tokenizer.json');
  const { batches, prompt_length } = fixtureJson<Batches>('text', 'batches.json');

  it('gives every text the ids that the reference gives it', async () => {
    const tokenizer = await loadTokenizer(vocabulary);
    assert.equal(tokenizer.length, 30524);
    for (const { text, ids } of cases) assert.deepEqual(tokenizer.encode(text), ids, text);
  });

  it('decodes as the reference does, with and without special tokens and clean-up', async () => {
    const tokenizer = await loadTokenizer(vocabulary);
    for (const { ids, decoded, decoded_with_special } of [...cases, ...decode_only]) {
      assert.equal(tokenizer.decode(ids), decoded);
      assert.equal(tokenizer.decode(ids, { skipSpecialTokens: false }), decoded_with_special);
    }
    for (const { ids, decoded_no_cleanup } of cases) {
      assert.equal(tokenizer.decode(ids, { cleanUp: false }), decoded_no_cleanup);
    }
  });

  it('pads and cuts batches, and counts the prompt, as the reference does', async () => {
    const tokenizer = await loadTokenizer(vocabulary);
    for (const { texts, max_length, input_ids, attention_mask } of batches) {
      const { inputIds, attentionMask } = tokenizer.encodeBatch(texts, max_length);
      assert.deepEqual(inputIds, input_ids);
      assert.deepEqual(attentionMask, attention_mask);
    }
    for (const [prompt, length] of Object.entries(prompt_length)) {
      assert.equal(tokenizer.encode(prompt).length - 1, length, prompt);
    }
  });
});

test('two ids are added after the vocabulary for [DEC] and [ENC]', async () => {
  const tokenizer = await loadTokenizer(fixture('tiny_caption', 'vocab.txt'));
  assert.equal(tokenizer.length, 284);
  assert.equal(tokenizer.bosId, 282);
  assert.equal(
    tokenizer.decode([282, 42, 104, 3, 0], { skipSpecialTokens: false }),
    '[DEC] a cat [SEP] [PAD]',
  );
  assert.equal(tokenizer.decode([]), '');
});

test('a vocabulary without special tokens is refused by name', () => {
  assert.throws(
    () => new BertTokenizer(['a', 'b'], 'my.txt'),
    (error: DataError) => error instanceof DataError && /my\.txt[\s\S]*\[PAD\]/.test(error.message),
  );
});

test('a vocabulary file that is not there names the option', async () => {
  await assert.rejects(loadTokenizer('no/such/vocab.txt'), (error: DataError) => {
    return error instanceof DataError && error.message.includes('model.tokenizer=FILE');
  });
});

describe('a tokenizer.json that transformers saved', () => {
  const saved = fixture('hf_caption', 'tokenizer_saved', 'tokenizer.json');

  it('gives the ids of the vocab.txt beside which it was made, [DEC] and [ENC] included', async () => {
    const [one, other] = [
      await loadTokenizer(saved),
      await loadTokenizer(fixture('hf_caption', 'vocab.txt')),
    ];
    assert.deepEqual(one.withSpecialWords(), other.withSpecialWords());
    assert.deepEqual([one.bosId, one.encId, one.length], [282, 283, 284]);
    assert.deepEqual(one.encode('a picture of the dog'), other.encode('a picture of the dog'));
  });

  it("is refused where it is another model's, broken, or lacks a word", async () => {
    const folder = temporaryFolder();
    const text = readFileSync(saved, 'utf8');
    const cases: [string, string, RegExp][] = [
      ['other.json', text.replaceAll('"WordPiece"', '"BPE"'), /model\.type/],
      ['broken.json', text.slice(0, 100), /JSON/],
      [
        'gap.json',
        text.replace('"[MASK]": 4', '"[MASK]": 4000').replace('"id": 4,', '"id": 4000,'),
        /the id 4$/m,
      ],
    ];
    for (const [name, content, found] of cases) {
      writeFileSync(join(folder, name), content);
      await assert.rejects(loadTokenizer(join(folder, name)), (error: Error) => {
        assert.match(error.message, found);
        assert.ok(error.message.includes(name));
        return error instanceof DataError;
      });
    }
  });
});
