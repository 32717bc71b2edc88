import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import { ConfigError, DataError } from '#src/common/errors.js';
import type { HostTensor } from '#src/common/host_tensor.js';
import { tf } from '#src/engine/index.js';
import { type AnsweredSamples, BlipVQA } from '#src/models/index.js';
import { fixture, fixtureJson } from '../support.js';
import { onEveryEngine } from './engines.js';
import {
  assertGradients,
  assertGroups,
  assertNear,
  assertStateDict,
  assertTensors,
  assertTraining,
  familyModel,
  familySection,
  imageOf,
} from './family.js';
import { readTensors } from './tiny.js';

interface Answered {
  questions: string[];
  answers: string[];
  weight: number[];
  n_answers: number[];
}
interface Step extends Answered {
  losses: Record<string, number>;
}
interface Generation {
  questions: string[];
  cases: {
    name: string;
    args: { num_beams: number; max_len: number; min_len: number };
    answers: string[];
    sequences: number[][];
    sequences_scores: number[] | null;
  }[];
  single_question_given_as_string: string[];
}
interface Ranking {
  questions: string[];
  cases: {
    name: string;
    num_ans_candidates: number;
    answer_list: string[];
    answers: string[];
    log_prob_sum_by_answer: (number | null)[][];
  }[];
}

const FOLDER = 'tiny_vqa';
const forward = fixtureJson<Answered & { loss: number }>(FOLDER, 'forward.json');
const samplesOf = (image: tf.Tensor4D, answered: Answered): AnsweredSamples => ({
  image,
  text_input: answered.questions,
  answers: answered.answers,
  weight: answered.weight,
  n_answers: answered.n_answers,
});

onEveryEngine('the VQA model of the reference', () => {
  let expected: ReadonlyMap<string, HostTensor>;
  let image: tf.Tensor4D;
  let pictures: tf.Tensor4D;

  before(async () => {
    expected = await readTensors(FOLDER, 'forward.safetensors');
    image = imageOf(await readTensors(FOLDER, 'inputs.safetensors'));
    pictures = imageOf(await readTensors(FOLDER, 'predict_inputs.safetensors'));
  });

  it('has its names and groups', async () => {
    const model = await familyModel(BlipVQA, FOLDER);
    assertStateDict(model, FOLDER);
    assertGroups(model, FOLDER);
    model.dispose();
  });

  it('gives its loss, states, logits and the loss of each answer', async () => {
    const model = await familyModel(BlipVQA, FOLDER);
    const { loss, intermediateOutput } = model.forward(samplesOf(image, forward));
    assertNear(loss.dataSync()[0], forward.loss, 1e-5, 'loss');
    const { imageEmbeds, encoderOutput, decoderLogits, answerLosses } = intermediateOutput;
    await assertTensors(expected, { image_embeds: imageEmbeds, encoder_output: encoderOutput }, 5e-5);
    await assertTensors(expected, { decoder_logits: decoderLogits, answer_losses: answerLosses }, 2e-4);
    tf.dispose([loss, ...Object.values(intermediateOutput)]);
    model.dispose();
  });

  it('gives its gradients', async () => {
    const model = await familyModel(BlipVQA, FOLDER);
    await assertGradients(model, FOLDER, () => model.forward(samplesOf(image, forward)).loss);
    model.dispose();
  });

  it('trains to its weights', async () => {
    const model = await familyModel(BlipVQA, FOLDER);
    const losses = (step: Step, index: number, inputs: ReadonlyMap<string, HostTensor>) => ({
      loss: model.forward(samplesOf(imageOf(inputs, `image_${index}`), step)).loss,
    });
    await assertTraining<Step>(model, FOLDER, losses, { tolerance: 2e-4 });
    model.dispose();
  });

  it('writes its answers, ids and scores', async () => {
    const model = await familyModel(BlipVQA, FOLDER);
    const { questions, cases, single_question_given_as_string } = fixtureJson<Generation>(
      FOLDER,
      'generation.json',
    );
    for (const { name, args, answers, sequences, sequences_scores } of cases) {
      const options = { numBeams: args.num_beams, maxLength: args.max_len, minLength: args.min_len };
      const found = await model.generateAnswers({ image: pictures, text_input: questions }, options);
      assert.deepEqual(found.answers, answers, name);
      assert.deepEqual(found.sequences, sequences, name);
      for (const [i, score] of (sequences_scores ?? []).entries()) {
        assert.ok(
          Math.abs(found.scores![i] - score) < 1e-4,
          `${name}: ${found.scores} for ${sequences_scores}`,
        );
      }
      const given = { ...options, inferenceMethod: 'generate' as const };
      const plain = await model.predictAnswers({ image: pictures, text_input: questions }, given);
      assert.deepEqual(plain, answers);
    }
    const first = tf.slice(pictures, [0, 0, 0, 0], [1, -1, -1, -1]);
    const one = await model.predictAnswers(
      { image: first, text_input: questions[0] },
      { inferenceMethod: 'generate' },
    );
    assert.deepEqual(one, single_question_given_as_string);
    model.dispose();
  });

  it('ranks its candidates, by the sums of their log-probabilities', async () => {
    const model = await familyModel(BlipVQA, FOLDER);
    const { questions, cases } = fixtureJson<Ranking>(FOLDER, 'rank.json');
    for (const { name, num_ans_candidates, answer_list, answers, log_prob_sum_by_answer } of cases) {
      const samples = { image: pictures, text_input: questions };
      const options = { answerList: answer_list, numAnsCandidates: num_ans_candidates };
      assert.deepEqual(await model.predictAnswers(samples, options), answers, name);
      const found = await model.rankAnswers(samples, options);
      for (const [row, sums] of log_prob_sum_by_answer.entries()) {
        const wanted = sums.flatMap((sum, place) => (sum === null ? [] : [place]));
        assert.deepEqual(
          found.candidates[row].toSorted((a, b) => a - b),
          wanted,
          name,
        );
        for (const [i, place] of found.candidates[row].entries()) {
          const difference = Math.abs(found.logProbabilities[row][i] - sums[place]!);
          assert.ok(difference < 2e-4, `${name}: '${answer_list[place]}' is off by ${difference}`);
        }
      }
    }
    model.dispose();
  });
});

it('takes the lower places where answers that begin alike tie at the border', async () => {
  const model = await familyModel(BlipVQA, FOLDER);
  const image = imageOf(await readTensors(FOLDER, 'predict_inputs.safetensors'));
  const answerList = ['a man', 'a woman', 'a surfboard', 'two'];
  const { questions } = fixtureJson<Ranking>(FOLDER, 'rank.json');
  const samples = { image, text_input: questions };
  const { candidates } = await model.rankAnswers(samples, { answerList, numAnsCandidates: 2 });
  assert.deepEqual(candidates[0], [0, 1]); // "a" begins what is being ridden
  assert.deepEqual(candidates[1], [3, 0]);
  model.dispose();
});

it('counts one answer of weight 1 for each image unless told, and refuses counts that do not add up', async () => {
  const model = await familyModel(BlipVQA, FOLDER);
  const image = imageOf(await readTensors(FOLDER, 'inputs.safetensors'));
  const one = { ...forward, answers: ['yes', 'a wave', 'on the ocean'] };
  const lossOf = (samples: AnsweredSamples) => tf.tidy(() => model.forward(samples).loss.dataSync()[0]);
  const { weight: _, n_answers: __, ...plain } = samplesOf(image, one);
  assert.equal(lossOf(plain), lossOf(samplesOf(image, { ...one, weight: [1, 1, 1], n_answers: [1, 1, 1] })));
  for (const wrong of [{ n_answers: [2, 3] }, { n_answers: [2, 2, 1] }, { weight: [1] }, { answers: [] }]) {
    assert.throws(() => model.forward({ ...samplesOf(image, forward), ...wrong }), DataError);
  }
  model.dispose();
});

it('refuses to rank nothing, methods that are neither, and an image encoder that is wider than the text encoder', async () => {
  const model = await familyModel(BlipVQA, FOLDER);
  const image = imageOf(await readTensors(FOLDER, 'inputs.safetensors'));
  const samples = { image, text_input: forward.questions };
  const wrong = [
    {},
    { answerList: [] },
    { answerList: ['yes'], numAnsCandidates: 0 },
    { inferenceMethod: 'generate', maxLength: 1 },
    { inferenceMethod: 'guess' as 'rank' },
  ] as const;
  for (const options of wrong) await assert.rejects(model.predictAnswers(samples, options), ConfigError);
  model.dispose();
  const wide = familySection(FOLDER, { med_config_path: fixture('tiny_nlvr', 'med_config.json') });
  await assert.rejects(
    BlipVQA.fromConfig({ ...wide, vit_embed_dim: 36 }),
    (error: ConfigError) => error instanceof ConfigError && /36 .*, 20 /.test(error.message),
  );
});
