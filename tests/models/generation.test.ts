import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { ConfigError } from '#src/common/errors.js';
import type { HostTensor } from '#src/common/host_tensor.js';
import { tf } from '#src/engine/index.js';
import type { BlipCaption, GenerateOptions } from '#src/models/index.js';
import { fixtureJson } from '../support.js';
import { onEveryEngine } from './engines.js';
import { images, numberIn, readTensors, tinyModel } from './tiny.js';

interface Args {
  num_beams?: number;
  max_length?: number;
  min_length?: number;
  repetition_penalty?: number;
  num_captions?: number;
}
interface Case {
  name: string;
  args: Args;
  sequences: number[][];
  captions: string[];
  sequence_scores: number[] | null;
  hypotheses: { score: number; ids: number[] }[][] | null;
}
interface PromptVariant {
  prompt: string;
  prompt_length: number;
  texts: string[];
  decoder_targets: number[][];
  loss: number;
  generate_args: Args;
  sequences: number[][];
  captions: string[];
}

const optionsOf = (args: Args): GenerateOptions => ({
  numBeams: args.num_beams,
  maxLength: args.max_length,
  minLength: args.min_length,
  repetitionPenalty: args.repetition_penalty,
  numCaptions: args.num_captions,
});

const near = (actual: number[], expected: number[], tolerance: number) =>
  actual.length === expected.length && actual.every((value, i) => Math.abs(value - expected[i]) <= tolerance);

onEveryEngine('the tiny model of the reference', () => {
  let model: BlipCaption;
  let pictures: HostTensor;

  before(async () => {
    model = (await tinyModel()).eval();
    pictures = (await readTensors('tiny_caption', 'generation_inputs.safetensors')).get('image')!;
  });
  after(() => model.dispose());

  const { cases } = fixtureJson<{ cases: Case[] }>('tiny_caption', 'generation.json');
  for (const { name, args, sequences, captions, sequence_scores, hypotheses } of cases) {
    it(`generates the sequences, captions and scores of the reference: ${name}`, async () => {
      const image = images(pictures, name.startsWith('single_image') ? [1] : undefined);
      const found = await model.generateDetailed({ image }, optionsOf(args));
      assert.deepEqual(found.sequences, sequences);
      assert.deepEqual(found.captions, captions);
      if (sequence_scores === null) assert.equal(found.scores, null);
      else assert.ok(near(found.scores!, sequence_scores, 1e-5), String(found.scores));
      for (const [i, expected] of (hypotheses ?? []).entries()) {
        const actual = found.hypotheses![i];
        assert.deepEqual(
          actual.map(({ ids }) => ids),
          expected.map(({ ids }) => ids),
        );
        assert.ok(
          near(
            actual.map(({ score }) => score),
            expected.map(({ score }) => score),
            1e-5,
          ),
        );
      }
      image.dispose();
    });
  }

  const variants = fixtureJson<{ cases: PromptVariant[] }>('tiny_caption', 'prompt_variants.json').cases;
  for (const variant of variants) {
    it(`takes the prompt ${JSON.stringify(variant.prompt)} as the reference does`, async () => {
      const prompted = (await tinyModel({ prompt: variant.prompt })).eval();
      assert.equal(prompted.promptLength, variant.prompt_length);
      assert.deepEqual(prompted.readTexts(variant.texts).targets, variant.decoder_targets);
      const training = images(
        (await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!,
        [0, 1],
      );
      const out = prompted.forward({ image: training, text_input: variant.texts });
      assert.ok(Math.abs((await numberIn(out.loss)) - variant.loss) <= 1e-5);
      const image = images(pictures);
      const found = await prompted.generateDetailed({ image }, optionsOf(variant.generate_args));
      assert.deepEqual(found.sequences, variant.sequences);
      assert.deepEqual(found.captions, variant.captions);
      prompted.dispose();
      image.dispose();
    });
  }

  it("gives pictures their own prompts, and null the model's, as models with these prompts would", async () => {
    const [plain, , , other = variants[1]] = variants;
    const [image, training] = [
      images(pictures),
      images((await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!, [0, 1]),
    ];
    const options = optionsOf(plain.generate_args);
    const prompted = (await tinyModel({ prompt: plain.prompt })).eval();
    for (const variant of variants) {
      const { texts, prompt, decoder_targets: targets } = variant;
      assert.deepEqual(prompted.readTexts(texts, [prompt, prompt]).targets, targets);
      const { loss, ...out } = prompted.forward({
        image: training,
        text_input: texts,
        prompt: [prompt, prompt],
      });
      assert.ok(Math.abs((await numberIn(loss)) - variant.loss) <= 1e-5, prompt);
      tf.dispose([loss, out.intermediateOutput] as unknown as tf.TensorContainer);
    }
    const found = await prompted.generateDetailed({ image, prompt: [null, other.prompt, null] }, options);
    assert.deepEqual(found.captions, [plain.captions[0], other.captions[1].trim(), plain.captions[2]]);
    // Texts whose prompts differ are masked each for itself.
    const mixed = prompted.readTexts([plain.texts[0], other.texts[1]], [null, other.prompt]).targets;
    assert.deepEqual(mixed, [plain.decoder_targets[0], other.decoder_targets[1]]);
    assert.throws(
      () => prompted.readTexts(['x'], ['a '.repeat(60)]),
      /a prompt leaves no room[\s\S]*max_txt_len/,
    );
    prompted.dispose();
    tf.dispose([image, training]);
  });

  it('draws the same captions from the same seed, alone or in a batch, and others from another', async () => {
    const image = images(pictures);
    const options = { useNucleusSampling: true, maxLength: 16, minLength: 7, numCaptions: 3 };
    const first = await model.generate({ image }, { ...options, seed: 1 });
    assert.deepEqual(await model.generate({ image }, { ...options, seed: 1 }), first);
    assert.notDeepEqual(await model.generate({ image }, { ...options, seed: 2 }), first);
    assert.equal(first.length, 9);
    assert.ok(new Set(first.slice(0, 3)).size > 1, first.join('\n'));
    const alone = images(pictures, [0]);
    assert.deepEqual(await model.generate({ image: alone }, { ...options, seed: 1 }), first.slice(0, 3));
    tf.dispose([image, alone]);
  });

  it('draws from the generator of the model where no seed is given', async () => {
    const image = images(pictures);
    model.seed(5);
    const state = model.rngState();
    const first = await model.generate({ image }, { useNucleusSampling: true });
    assert.notDeepEqual(await model.generate({ image }, { useNucleusSampling: true }), first);
    model.restoreRngState(state);
    assert.deepEqual(await model.generate({ image }, { useNucleusSampling: true }), first);
    image.dispose();
  });

  it('takes length_penalty and temperature, which the reference fails at', async () => {
    const image = images(pictures);
    const long = await model.generateDetailed({ image }, { lengthPenalty: 3, minLength: 5, maxLength: 20 });
    const short = await model.generateDetailed({ image }, { lengthPenalty: -3, minLength: 5, maxLength: 20 });
    const words = ({ sequences }: typeof long) => sequences.flat().filter((id) => id !== 0).length;
    assert.ok(words(long) > words(short), `${words(long)} and ${words(short)} words`);
    const greedy = await model.generate({ image }, { numBeams: 1, minLength: 7, repetitionPenalty: 1.1 });
    const cold = { useNucleusSampling: true, temperature: 1e-3, minLength: 7, seed: 3 };
    assert.deepEqual(await model.generate({ image }, cold), greedy);
    image.dispose();
  });

  it('gives the best so many of the beams, each of them once', async () => {
    const image = images(pictures);
    const options = { numBeams: 4, maxLength: 16, minLength: 7 };
    const one = await model.generateDetailed({ image }, options);
    const all = await model.generateDetailed({ image }, { ...options, numReturnSequences: 4 });
    assert.equal(all.captions.length, 4 * one.captions.length);
    for (const [i, caption] of one.captions.entries()) {
      const group = all.captions.slice(4 * i, 4 * i + 4);
      assert.equal(group[0], caption);
      assert.equal(new Set(group).size, 4, group.join('\n'));
      const scores = all.scores!.slice(4 * i, 4 * i + 4);
      assert.deepEqual(
        scores,
        scores.toSorted((a, b) => b - a),
      );
      assert.equal(scores[0], one.scores![i]);
    }
    for (const numBeams of [1, 3]) {
      await assert.rejects(model.generate({ image }, { numBeams, numReturnSequences: 4 }), (error: Error) => {
        assert.ok(error instanceof ConfigError);
        assert.match(
          error.message,
          /numReturnSequences[\s\S]*4 with (greedy search|3 beams)[\s\S]*--nucleus/,
        );
        return true;
      });
    }
    image.dispose();
  });

  it('repeats no run of words and writes no banned ones, in every search', async () => {
    const image = images(pictures);
    for (const search of [{ numBeams: 3 }, { numBeams: 1 }, { useNucleusSampling: true, seed: 4 }]) {
      const options = { ...search, maxLength: 24, minLength: 20, noRepeatNgramSize: 2 };
      const { sequences, captions } = await model.generateDetailed({ image }, options);
      for (const ids of sequences) {
        const words = ids.filter((id) => id !== 0);
        const pairs = words.slice(1).map((id, i) => `${words[i]} ${id}`);
        assert.equal(new Set(pairs).size, pairs.length, String(ids));
      }
      const banned = captions[0].split(' ').at(-1)!;
      const without = await model.generate({ image }, { ...options, badWords: [banned] });
      for (const caption of without) assert.ok(!caption.split(' ').includes(banned), caption);
      assert.notEqual(without[0], captions[0]);
    }
    image.dispose();
  });

  it('leaves no tensor behind', async () => {
    const image = images(pictures);
    const before = tf.memory().numTensors;
    await model.generate({ image }, { numBeams: 3, maxLength: 12 });
    await model.generate({ image }, { numBeams: 1, maxLength: 12 });
    await model.generate({ image }, { useNucleusSampling: true, numCaptions: 2, maxLength: 12 });
    assert.equal(tf.memory().numTensors, before);
    image.dispose();
  });

  it('refuses options out of their range by name', async () => {
    const image = images(pictures);
    const wrong: GenerateOptions[] = [
      { numBeams: 0 },
      { numBeams: 150 },
      { topP: 2 },
      { temperature: 0 },
      { maxLength: 4 },
      { maxLength: 65 },
      { numCaptions: 1.5 },
      { minLength: 31 },
      { minLength: 12, maxLength: 11 },
      { noRepeatNgramSize: -1 },
      { topK: 0 },
    ];
    for (const options of wrong) {
      await assert.rejects(model.generate({ image }, options), (error: ConfigError) => {
        return error instanceof ConfigError && error.message.includes(Object.keys(options)[0]);
      });
    }
    image.dispose();
  });
});
