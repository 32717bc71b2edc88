import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import type { HostTensor } from '#src/common/host_tensor.js';
import type { BlipCaption, GenerateOptions } from '#src/models/index.js';
import { fixtureJson } from '../support.js';
import { onEveryEngine } from './engines.js';
import { images, readTensors, tinyModel } from './tiny.js';

interface Generation {
  prompt_ids: number[];
  cases: { name: string; args: Record<string, number>; captions: string[] }[];
}
interface WordScores {
  cases: { name: string; log_probabilities: number[][]; looks?: number[][][][] }[];
}

const generation = fixtureJson<Generation>('tiny_caption', 'generation.json');
const reference = fixtureJson<WordScores>('word_scores.json');

const optionsOf = (args: Record<string, number>): GenerateOptions => ({
  numBeams: args.num_beams,
  maxLength: args.max_length,
  minLength: args.min_length,
  repetitionPenalty: args.repetition_penalty,
  numCaptions: args.num_captions,
});

const near = (actual: readonly number[], expected: readonly number[], tolerance: number, what: string) => {
  assert.equal(actual.length, expected.length, what);
  actual.forEach((value, i) => {
    assert.ok(Math.abs(value - expected[i]) <= tolerance, `${what} ${i}: ${value}, not ${expected[i]}`);
  });
};

onEveryEngine('how sure the tiny model of the reference is', () => {
  let model: BlipCaption;
  let pictures: HostTensor;
  before(async () => {
    model = (await tinyModel()).eval();
    pictures = (await readTensors('tiny_caption', 'generation_inputs.safetensors')).get('image')!;
  });
  after(() => model.dispose());

  for (const { name, log_probabilities } of reference.cases) {
    it(`of each token, as transformers computes it: ${name}`, async () => {
      const { args, captions } = generation.cases.find((one) => one.name === name)!;
      const image = images(pictures, name.startsWith('single_image') ? [1] : undefined);
      const found = await model.generateScored({ image }, optionsOf(args));
      image.dispose();
      assert.deepEqual(
        found.map(({ caption }) => caption),
        captions,
      );
      for (const [i, { tokens = [], logProbability }] of found.entries()) {
        const own = tokens.map((token) => token.logProbability);
        near(own, log_probabilities[i], 1e-4, `caption ${i}, token`);
        const mean = log_probabilities[i].reduce((a, b) => a + b, 0) / log_probabilities[i].length;
        near([logProbability!], [mean], 1e-4, `caption ${i}`);
      }
    });
  }

  it('of sampled words too, before temperature and nucleus', async () => {
    const image = images(pictures);
    const options = {
      useNucleusSampling: true,
      topP: 0.5,
      temperature: 0.7,
      maxLength: 14,
      minLength: 5,
      seed: 3,
    };
    const [drawn] = await model.generateScored({ image }, options);
    const { sequences } = await model.generateDetailed({ image }, { ...options, seed: 3 });
    image.dispose();
    assert.deepEqual(
      drawn.tokens!.map(({ id }) => id),
      sequences[0].slice(generation.prompt_ids.length, generation.prompt_ids.length + drawn.tokens!.length),
    );
    assert.ok(drawn.tokens!.every(({ logProbability }) => logProbability < 0));
    assert.equal(drawn.score, undefined);
  });

  it('and where it looked for each word, as the cross-attention of transformers has it', async () => {
    const [{ name, looks = [] }] = reference.cases;
    const { args } = generation.cases.find((one) => one.name === name)!;
    const image = images(pictures);
    const captions = await model.generateScored({ image }, optionsOf(args));
    const found = await model.lookedAt({ image }, captions);
    image.dispose();
    for (const [i, words] of found.entries()) {
      const { tokens = [], caption } = captions[i];
      assert.equal(
        words
          .map(({ word }) => word)
          .join(' ')
          .replace(/ ([.,!?'])/g, '$1'),
        caption.trim(),
      );
      // A word of several pieces has their mean.
      let word = -1;
      const pieces: number[][][] = [];
      tokens.forEach(({ token }, t) => {
        if (token === '[SEP]') return;
        if (!token.startsWith('##') || word < 0) pieces[++word] = [];
        pieces[word].push(looks[i][t].flat());
      });
      assert.equal(words.length, pieces.length);
      for (const [w, own] of pieces.entries()) {
        const mean = own[0].map((_, p) => own.reduce((sum, piece) => sum + piece[p], 0) / own.length);
        near([...words[w].weights], mean, 1e-5, `caption ${i}, ${words[w].word}, patch`);
      }
    }
  });
});
