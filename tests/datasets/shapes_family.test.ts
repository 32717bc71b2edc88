import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Rng } from '#src/common/random.js';
import {
  type AnnotatedDataset,
  type ClassificationDataset,
  type Dataset,
  questionAnswers,
  questionsOf,
  type RetrievalEvalDataset,
  ShapesNlvrBuilder,
  ShapesRetrievalBuilder,
  ShapesVqaBuilder,
  scenesOf,
  shapesFamilyVocabulary,
  statedScenes,
  type VqaEvalDataset,
} from '#src/datasets/index.js';
import { vqaEvaluate } from '#src/index.js';
import { loadTokenizer } from '#src/models/index.js';
import { temporaryFolder } from '../support.js';
import { plain, samplesOf } from './support.js';

type BuilderOf = { fromConfig(section: object): { buildDatasets(): Promise<object> } };

async function build<T>(Builder: BuilderOf, scenes: object = {}, text = 'blip_question') {
  const processor = { name: 'blip_image_eval', image_size: 16 };
  const section = {
    vis_processor: { train: processor, eval: processor },
    text_processor: { train: { name: text }, eval: { name: text } },
    build_info: {
      storage: temporaryFolder(),
      scenes: { seed: 1, train: 30, val: 10, test: 20, image_size: 24, ...scenes },
    },
  };
  return (await Builder.fromConfig(section).buildDatasets()) as { train: Dataset; val: T; test: T };
}

const recordsOf = (dataset: unknown) => (dataset as AnnotatedDataset).records;
const tokenizer = await loadTokenizer('configs/models/shapes_family_vocab.txt');

/** Whether each word is a token of its own. */
const isKnown = (text: string) =>
  tokenizer.encode(text).length === text.split(/\s+/).join(' ').replace('?', ' ?').split(' ').length + 2;

test('the vocabulary has every word of questions, answers and sentences', async () => {
  const file = readFileSync('configs/models/shapes_family_vocab.txt', 'utf8');
  assert.deepEqual(file.trim().split('\n'), shapesFamilyVocabulary());
  const datasets = [
    await build(ShapesVqaBuilder, { train: 300, image_size: 16 }),
    await build(ShapesNlvrBuilder, { train: 200, image_size: 16 }),
    await build(ShapesRetrievalBuilder),
  ];
  for (const { train } of datasets) {
    for (const { text_input } of recordsOf(train)) assert.ok(isKnown(String(text_input)), String(text_input));
  }
  for (const answer of questionAnswers()) assert.ok(isKnown(answer), answer);
});

test('the same seed asks and states the same, another one something else', async () => {
  for (const Builder of [ShapesVqaBuilder, ShapesNlvrBuilder, ShapesRetrievalBuilder]) {
    const textsOf = async (seed: number) =>
      recordsOf((await build(Builder, { seed })).train).map(({ source: _, ...record }) => record);
    const [one, again, another] = [await textsOf(1), await textsOf(1), await textsOf(2)];
    assert.deepEqual(one, again);
    assert.notDeepEqual(one, another);
  }
});

test('questions have the right answer: what is asked is read back from the scene', () => {
  const options = { seed: 3, train: 400, val: 0, test: 0, imageSize: 48 };
  const types = new Map<string, Set<string>>();
  for (const [i, scene] of scenesOf('train', options).entries()) {
    const {
      things: [a, b],
      relation,
    } = scene;
    const questions = questionsOf(scene, 11, Rng.of(i));
    assert.equal(new Set(questions.map(({ question }) => question)).size, questions.length);
    for (const { question, answer, question_type, answer_type } of questions) {
      assert.ok(questionAnswers().includes(answer), answer);
      types.set(question_type, (types.get(question_type) ?? new Set()).add(answer));
      const named = [a, b].find(({ colour, shape }) => question.includes(`${colour} ${shape}`));
      const shaped = [a, b].filter(({ shape }) => question.endsWith(` ${shape}?`));
      if (question.startsWith('what color is the') && !question.includes('background'))
        assert.deepEqual(
          shaped.map(({ colour }) => colour),
          [answer],
        );
      if (question.startsWith('what size')) assert.equal(named!.size, answer);
      if (question.startsWith('how many things are large'))
        assert.equal(answer, String([a, b].filter(({ size }) => size === 'large').length));
      if (question.startsWith('is there')) assert.equal(answer, named ? 'yes' : 'no');
      if (question.startsWith(`is the ${a.colour} ${a.shape}`)) {
        assert.equal(answer === 'yes', question.includes(relation));
        assert.equal(answer_type, 'yes/no');
      }
      if (question.startsWith('what is ')) {
        const told = [a, b].find(({ colour, shape }) => `${colour} ${shape}` === answer)!;
        const beside = told === a ? b : a;
        assert.ok(question.endsWith(`the ${beside.colour} ${beside.shape}?`), question);
        assert.equal(question.includes(relation), told === a);
      }
    }
  }
  assert.deepEqual([...types.get('how many')!].sort(), ['0', '1', '2']);
  for (const type of ['is', 'is there', 'are']) assert.deepEqual([...types.get(type)!].sort(), ['no', 'yes']);
  assert.equal(types.get('where is')!.size, 9);
});

test('questions are trained on, answered from a list and scored without a file', async () => {
  const { train, val, test: held } = await build<VqaEvalDataset>(ShapesVqaBuilder);
  assert.deepEqual([train.length, val.length, held.length], [90, 30, 60]);
  const { answers, weight, n_answers } = train.collate((await samplesOf(train)).slice(0, 2));
  assert.equal((answers as string[]).length, 2);
  assert.deepEqual([weight, n_answers], [Float32Array.of(1, 1), Int32Array.of(1, 1)]);
  assert.deepEqual(val.answerList, questionAnswers());
  const truth = val.groundTruth()!;
  const results = truth.annotations.map(({ question_id, answers: [{ answer }] }) => ({
    question_id,
    answer,
  }));
  assert.equal(vqaEvaluate(results, truth).overall, 100);
  const wrong = results.map((one) => ({ ...one, answer: 'nothing' }));
  assert.equal(vqaEvaluate(wrong, truth).overall, 0);
});

test('in val and test a sentence is of one scene alone, and each scene has two', async () => {
  const {
    train,
    val,
    test: held,
  } = await build<RetrievalEvalDataset>(
    ShapesRetrievalBuilder,
    { val: 40, test: 150, image_size: 16 },
    'blip_caption',
  );
  assert.equal(train.length, 60);
  for (const split of [val, held]) {
    assert.equal(new Set(split.text).size, split.text.length);
    assert.ok(split.img2txt.every((texts) => texts.length === 2));
  }
  assert.equal(held.length, 150);
  assert.deepEqual(val.text[0].split(' ').sort(), val.text[1].split(' ').sort().map(opposite).sort());
  const kinds = (texts: string[]) =>
    texts.map((text) =>
      text
        .match(/\w+ (circle|square|triangle|star|cross|heart)/g)!
        .sort()
        .join(),
    );
  const trained = new Set(kinds(recordsOf(train).map(({ text_input }) => String(text_input))));
  for (const pair of kinds([...val.text, ...held.text])) assert.ok(!trained.has(pair), pair);
});

const opposite = (word: string) =>
  ({ above: 'below', below: 'above', left: 'right', right: 'left' })[word] ?? word;

test('sentences about two scenes are true as often as not, whatever they say, and swap with the scenes', async () => {
  const { train, val } = await build<ClassificationDataset>(ShapesNlvrBuilder, { train: 20 }, 'blip_caption');
  assert.deepEqual([train.length, val.length, val.classLabels], [20, 10, ['False', 'True']]);
  const [sample] = await samplesOf(val);
  assert.deepEqual(Object.keys(plain(sample)).sort(), ['instance_id', 'label', 'text_input']);
  const pairs: Parameters<typeof statedScenes>[0] = [];
  for (const { things } of scenesOf('train', { seed: 1, train: 300, val: 0, test: 0, imageSize: 16 }))
    pairs.push(things);
  const byWay = new Map<string, number[]>();
  for (let i = 0; i < 1500; i++) {
    const { sentence, isTrue, scenes } = statedScenes(pairs, 7, i);
    const way = sentence
      .split(' ')
      .slice(0, 3)
      .join(' ')
      .replace(/left|right/, '…')
      .replace(/ an?$/, ' a');
    byWay.set(way, [...(byWay.get(way) ?? []), Number(isTrue)]);
    // read back one kind of them
    const [, colour, shape, side] = /^there is an? (\w+) (\w+) in the (left|right)/.exec(sentence) ?? [];
    if (!colour) continue;
    const { things } = scenes[side === 'left' ? 0 : 1];
    assert.equal(
      things.some((one) => one.colour === colour && one.shape === shape),
      isTrue,
      sentence,
    );
  }
  for (const [way, truths] of byWay) {
    if (truths.length < 100) continue;
    const share = truths.reduce((sum, one) => sum + one, 0) / truths.length;
    assert.ok(share > 0.4 && share < 0.6, `${way}: ${share}`);
  }
});
