import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { savedState, saveTorch } from '#src/checkpoint/index.js';
import { setupEngine } from '#src/engine/index.js';
import { exportModel } from '#src/export/index.js';
import { BertTokenizer, BlipCaption, modelSectionOf, tokenizerOf } from '#src/models/index.js';
import { fixture, fixtureJson, temporaryFolder } from '../support.js';
import { images, readTensors, tinyModel, tinySection } from './tiny.js';

interface Cased {
  added: string[];
  texts: string[];
  settings: { lower_case: boolean; strip_accents: boolean | null; ids: number[][] }[];
}

const { added, texts, settings } = fixtureJson<Cased>('text', 'cased_and_accented.json');
const vocabulary = fixture('tiny_caption', 'vocab.txt');
const base = readFileSync(vocabulary, 'utf8').trimEnd().split('\n');
const folder = temporaryFolder();

/** A file of these words. */
function wordsFile(words: readonly string[], name = 'words.txt'): string {
  const path = join(folder, name);
  writeFileSync(path, words.join('\n'));
  return path;
}

const accents = { strip_accents: false };
const lower = added.filter((word) => word === word.toLowerCase());

describe('a tokenizer', () => {
  for (const { lower_case, strip_accents, ids } of settings) {
    it(`with lower_case ${lower_case} and strip_accents ${strip_accents} gives the ids of transformers`, () => {
      const words = [...base, '[DEC]', '[ENC]', ...added];
      const options = { lowerCase: lower_case, stripAccents: strip_accents ?? undefined };
      const tokenizer = new BertTokenizer(words, 'words', options);
      for (const [i, text] of texts.entries()) {
        assert.deepEqual(tokenizer.encode(text), ids[i], text);
        const composed = strip_accents === false || (!lower_case && strip_accents === null);
        if (composed)
          assert.deepEqual(tokenizer.encode(text.normalize('NFD')), ids[i], `${text}, decomposed`);
      }
    });
  }

  it('with added words keeps all older ids, and knows the pieces that each had', async () => {
    const file = wordsFile(['größe', '##ö', 'dog', 'größe', '', '犬', 'ß']);
    const { tokenizer, growth } = await tokenizerOf({ tokenizer: vocabulary, added_words: file, ...accents });
    const before = new BertTokenizer(base);
    const id = (word: string) => before.idOf(word)!;
    assert.equal(tokenizer.length, before.length + 4);
    assert.deepEqual(
      ['[DEC]', '[ENC]', 'dog', 'größe'].map((word) => tokenizer.idOf(word)),
      [before.bosId, before.encId, id('dog'), before.length],
    );
    // 'größe' was 'grosse', which has no ß: of its letters those that there were.
    const letters = ['g', 'r', 'o', 'e'].map(id);
    assert.deepEqual(growth, {
      from: before.length,
      to: before.length + 4,
      pieces: [letters, [id('##o')], [], []],
    });
    assert.equal(tokenizer.decode(tokenizer.encode('Ein Dog: Größe')), 'ein dog : größe');
  });

  for (const [what, words, section] of [
    ['accents that are taken off', ['größe'], {}],
    ['capitals that become small', ['Hund'], accents],
    ['two words on a line', ['a big dog'], {}],
    ['a piece of nothing', ['##'], {}],
  ] as const) {
    it(`refuses added words that never come up: ${what}`, async () => {
      const file = wordsFile([...words, 'moose'], 'wrong.txt');
      await assert.rejects(
        tokenizerOf({ tokenizer: vocabulary, added_words: file, ...section }),
        new RegExp(`1 of 2 added words never come up[\\s\\S]*wrong\\.txt[\\s\\S]*${words[0]}`),
      );
    });
  }
});

describe('a model with added words', () => {
  before(() => setupEngine({ device: 'cpu' }));

  it('starts each from the mean of its older pieces, and says the same of older texts', async () => {
    const file = wordsFile(lower);
    const plain = (await tinyModel()).eval();
    const grown = (await tinyModel({ added_words: file, ...accents })).eval();
    const from = plain.tokenizer.length;
    const [old, state] = [plain.stateDict(), grown.stateDict()];
    const [embeddings, bias] = ['bert.embeddings.word_embeddings.weight', 'cls.predictions.bias'].map(
      (name) => `text_decoder.${name}`,
    );
    for (const name of [embeddings, bias]) {
      const [was, is] = [old.get(name)!, state.get(name)!];
      const width = was.size / from;
      const [before, after] = [was.dataSync(), is.dataSync()];
      assert.deepEqual(after.slice(0, was.size), before);
      const row = (word: string) => {
        const at = grown.tokenizer.idOf(word)!;
        return after.slice(at * width, (at + 1) * width);
      };
      const mean = (...words: string[]) => {
        const rows = words.map((word) => row(word));
        return Float32Array.from(rows[0], (_, k) => rows.reduce((sum, one) => sum + one[k], 0) / rows.length);
      };
      const near = (a: ArrayLike<number>, b: ArrayLike<number>) =>
        assert.ok(
          Array.from(a).every((value, k) => Math.abs(value - b[k]) < 1e-6),
          name,
        );
      near(row('ä'), row('a'));
      near(row('##ñ'), row('##n'));
      near(row('ein'), mean('e', '##i', '##n'));
    }
    assert.equal(plain.stateDict().size, grown.stateDict().size);
    const image = images((await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!, [0, 1]);
    const text_input = ['a picture of a dog', 'a picture of two dogs'];
    const logits = (model: BlipCaption) =>
      model.forward({ image, text_input }).intermediateOutput.decoderOutput.logits;
    const [a, b] = [logits(plain), logits(grown).slice([0, 0, 0], [-1, -1, from])];
    const difference = a.sub(b).abs().max().dataSync()[0];
    assert.ok(difference < 1e-5, `${difference}`);
  });

  it('is saved whole, and loads again with the same words alone', async () => {
    const file = wordsFile(lower);
    const grown = await tinyModel({ added_words: file, ...accents });
    const path = join(folder, 'grown.pth');
    await saveTorch(path, { model: savedState(grown.stateDict()) });
    const section = { load_finetuned: true, finetuned: path };
    const again = await BlipCaption.fromConfig(tinySection({ ...section, added_words: file, ...accents }));
    for (const [name, variable] of grown.stateDict())
      assert.deepEqual(again.stateDict().get(name)!.dataSync(), variable.dataSync(), name);
    await assert.rejects(BlipCaption.fromConfig(tinySection(section)), /another model|another/);
  });

  it('goes to a folder of transformers and back with its words and accents', async () => {
    const grown = await tinyModel({ added_words: wordsFile(lower), ...accents });
    const hf = join(folder, 'hf');
    await exportModel(grown, hf, { format: 'hf' });
    const section = (await modelSectionOf(hf))!;
    assert.equal(section.strip_accents, false);
    const again = await BlipCaption.fromConfig({
      ...section,
      load_finetuned: true,
      finetuned: join(hf, 'model.safetensors'),
    });
    for (const text of texts) assert.deepEqual(again.tokenizer.encode(text), grown.tokenizer.encode(text));
    const words = 'text_decoder.bert.embeddings.word_embeddings.weight';
    assert.deepEqual(again.stateDict().get(words)!.dataSync(), grown.stateDict().get(words)!.dataSync());
  });

  it('refuses LoRA, which would leave the new words as they start', async () => {
    await assert.rejects(
      tinyModel({ added_words: wordsFile(['moose']), lora: {} }),
      /model\.added_words and model\.lora exclude each other[\s\S]*freeze_vit/,
    );
  });
});
