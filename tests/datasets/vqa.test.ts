import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AokVqaBuilder,
  type Batch,
  CocoVqaBuilder,
  ConcatDataset,
  DataLoader,
  type Dataset,
  OkVqaBuilder,
  VgVqaBuilder,
  type VqaEvalDataset,
} from '#src/datasets/index.js';
import { vqaEvaluate } from '#src/index.js';
import { collect, familySection, plain, samplesOf, withImages } from './support.js';

const IMAGES = ['val2014/COCO_val2014_000000262148.jpg', 'VG_100K/1.jpg'];

/** vqa_train.json, vg_qa.json, vqa_val_eval.json and the official files, in the forms that LAVIS hands out. */
const ASKED = [
  {
    question_id: 262148000,
    question: 'Where is he looking?',
    answer: ['down', 'down', 'at table', 'down', 'skateboard', 'table', 'down', 'at table', 'down', 'down'],
    image: IMAGES[0],
    dataset: 'vqa',
  },
  {
    question_id: 262148001,
    question: 'Is it day?',
    answer: ['Yes', 'yes'],
    image: IMAGES[0],
    dataset: 'vqa',
  },
];
const GENOME = [
  { question_id: 986769, question: 'What is on the curb?', answer: 'clock', image: IMAGES[1], dataset: 'vg' },
];
const UNANSWERED = ASKED.map(({ answer: _, ...asked }) => asked);
const ANSWERS = ['yes', 'no', 'down', 'table'];
const QUESTIONS = {
  questions: UNANSWERED.map(({ question_id, question }) => ({ image_id: 262148, question, question_id })),
};
const ANNOTATIONS = {
  info: {},
  annotations: ASKED.map(({ question_id, answer }, i) => ({
    question_type: ['where is', 'is it'][i],
    multiple_choice_answer: answer[0],
    answers: answer.map((one, id) => ({ answer: one, answer_confidence: 'yes', answer_id: id + 1 })),
    image_id: 262148,
    answer_type: ['other', 'yes/no'][i],
    question_id,
  })),
};
const OFFICIAL = [UNANSWERED, ANSWERS, QUESTIONS, ANNOTATIONS];

interface Built {
  train: Dataset;
  val: VqaEvalDataset;
  test: VqaEvalDataset;
}

const sectionOf = async (annotations: Record<string, unknown[]>) =>
  familySection(await withImages(...IMAGES), annotations, 'blip_question');

const coco = async (annotations: Record<string, unknown[]>) =>
  (await CocoVqaBuilder.fromConfig(await sectionOf(annotations)).buildDatasets()) as unknown as Built;

const close = (found: ArrayLike<number>, expected: number[]) =>
  assert.deepEqual(
    Array.from(found, (value) => value.toFixed(6)),
    expected.map((value) => value.toFixed(6)),
  );

test('each answer is trained on once, weighted by the share of people who gave it', async () => {
  const { train } = await coco({ train: [ASKED.slice(0, 1), ASKED.slice(1)] });
  const [first, second] = await samplesOf(train);
  assert.deepEqual(Object.keys(plain(first)), ['text_input', 'answers', 'weights']);
  assert.equal(first.text_input, 'where is he looking?');
  assert.deepEqual(first.answers, ['down', 'at table', 'skateboard', 'table']);
  close(first.weights as number[], [0.6, 0.2, 0.1, 0.1]);
  // answers are not processed: these are two
  assert.deepEqual(
    [second.answers, second.weights],
    [
      ['Yes', 'yes'],
      [0.5, 0.5],
    ],
  );
});

test("a batch holds all answers one after the other, their weights and each question's number of them", async () => {
  const { train } = await coco({ train: [ASKED] });
  const { image, ...batch } = train.collate(await samplesOf(train));
  assert.deepEqual((image as { shape: number[] }).shape, [2, 16, 16, 3]);
  assert.deepEqual(Object.keys(batch), ['text_input', 'answers', 'weight', 'n_answers']);
  assert.deepEqual(batch.text_input, ['where is he looking?', 'is it day?']);
  assert.deepEqual(batch.answers, ['down', 'at table', 'skateboard', 'table', 'Yes', 'yes']);
  close(batch.weight as Float32Array, [0.6, 0.2, 0.1, 0.1, 0.5, 0.5]);
  assert.deepEqual(batch.n_answers, Int32Array.of(4, 2));
});

test("Visual Genome's one answer weighs 1, for training alone, beside COCO's and read by workers", async () => {
  const section = await sectionOf({ train: [GENOME], val: [GENOME] });
  const { train, val } = (await VgVqaBuilder.fromConfig(section).buildDatasets()) as unknown as Built;
  assert.equal(val, undefined);
  const both = new ConcatDataset([(await coco({ train: [ASKED] })).train, train]);
  const read = async (numWorkers: number) => {
    const loader = new DataLoader({ dataset: both, batchSize: 3, numWorkers });
    const batches = await collect(loader.epoch(0));
    await loader.close();
    return batches;
  };
  const [batch]: Batch[] = await read(0);
  assert.deepEqual(batch.n_answers, Int32Array.of(4, 2, 1));
  assert.deepEqual((batch.answers as string[]).at(-1), 'clock');
  assert.equal((batch.weight as Float32Array).at(-1), 1);
  assert.deepEqual(await read(2), [batch]);
});

test('an evaluation split has its questions, the answers to choose among and the official files', async () => {
  const { val } = await coco({ val: OFFICIAL });
  assert.deepEqual((await samplesOf(val)).map(plain), [
    { text_input: 'where is he looking?', question_id: 262148000, instance_id: '0' },
    { text_input: 'is it day?', question_id: 262148001, instance_id: '1' },
  ]);
  assert.deepEqual(val.answerList, ANSWERS);
  assert.match(val.questionsFile!, /val2\.json$/);
  assert.match(val.annotationsFile!, /val3\.json$/);
  const truth = val.groundTruth()!;
  const results = [
    { question_id: 262148000, answer: 'down' },
    { question_id: 262148001, answer: 'no' },
  ];
  const { overall, perAnswerType } = vqaEvaluate(results, truth, { questions: truth.questions! });
  assert.deepEqual([overall, perAnswerType], [50, { other: 100, 'yes/no': 0 }]);
});

test('without official files the answers of the annotations are the ground truth, none where one lacks them', async () => {
  const { val, test: kept } = await coco({ val: [ASKED, ANSWERS], test: [UNANSWERED, ANSWERS] });
  assert.equal(kept.groundTruth(), undefined);
  const truth = val.groundTruth()!;
  assert.deepEqual(
    truth.annotations.map(({ answer_type, answers }) => [answer_type, answers.length]),
    [
      ['other', 10],
      ['yes/no', 10],
    ],
  );
  // what one of two people said counts fully, as what five of ten said would
  const results = ASKED.map(({ question_id }, i) => ({ question_id, answer: ['nowhere', 'yes'][i] }));
  assert.equal(vqaEvaluate(results, truth).overall, 50);
});

test('OK-VQA is tested without a validation split', async () => {
  const section = await sectionOf({ train: [ASKED], test: OFFICIAL });
  const built = (await OkVqaBuilder.fromConfig(section).buildDatasets()) as unknown as Built;
  assert.deepEqual(Object.keys(built), ['train', 'test']);
  assert.deepEqual(built.test.answerList, ANSWERS);
});

test('A-OKVQA trains on direct answers; choices and answers come with its questions, null where they are secret', async () => {
  const asked = {
    split: 'train',
    image_id: 262148,
    question_id: '22MexNkBPpdZGX6sxbxVBH',
    question: 'What is the man by the bags awaiting?',
    choices: ['skateboarder', 'train', 'delivery', 'cab'],
    correct_choice_idx: 3,
    direct_answers: ['ride', 'ride', 'bus', 'taxi'],
    difficult_direct_answer: false,
    rationales: ['A train would not be on the street.'],
    image: IMAGES[0],
    dataset: 'aokvqa',
  };
  const { correct_choice_idx: _, direct_answers: __, ...secret } = asked;
  const annotations = { train: [[asked]], val: [[asked], ANSWERS], test: [[secret], ANSWERS] };
  const section = await sectionOf(annotations);
  const {
    train,
    val,
    test: kept,
  } = (await AokVqaBuilder.fromConfig(section).buildDatasets()) as unknown as Built;
  const [trained] = await samplesOf(train);
  assert.deepEqual(
    [trained.answers, trained.weights],
    [
      ['ride', 'bus', 'taxi'],
      [0.5, 0.25, 0.25],
    ],
  );
  const [open] = await samplesOf(val);
  assert.deepEqual(plain(open), {
    text_input: 'what is the man by the bags awaiting?',
    question_id: asked.question_id,
    instance_id: '0',
    choices: asked.choices,
    correct_choice_idx: 3,
    direct_answers: asked.direct_answers,
  });
  const samples = await samplesOf(kept);
  const { choices, correct_choice_idx, direct_answers } = kept.collate(samples);
  assert.deepEqual([choices, correct_choice_idx, direct_answers], [[asked.choices], [null], [null]]);
  assert.equal(kept.groundTruth(), undefined);
});

const WRONG: [what: string, annotations: Record<string, unknown[]>, message: RegExp][] = [
  [
    'a question without an answer',
    { train: [[{ ...ASKED[0], answer: [] }]] },
    /no answer to learn[\s\S]*train0\.json, entry 0/,
  ],
  ['an answer that is not text', { train: [[{ ...ASKED[0], answer: [1] }]] }, /'answer' is not text/],
  [
    'a question without an id',
    { val: [[{ image: IMAGES[0], question: 'Why?' }]] },
    /lacks the key 'question_id'/,
  ],
  [
    'a list of answers of another form',
    { val: [UNANSWERED, { yes: 0 }] },
    /a list of answers cannot be used[\s\S]*val1\.json/,
  ],
  [
    'weights of another number',
    { train: [[{ ...ASKED[1], weights: [1] }]] },
    /'weights' do not fit[\s\S]*2 numbers/,
  ],
];
for (const [what, annotations, message] of WRONG) {
  test(`${what} is refused, with its place`, async () => {
    await assert.rejects(coco(annotations), message);
  });
}

test("official files in another order are told by the scorer's ground truth", async () => {
  const { val } = await coco({ val: [UNANSWERED, ANSWERS, ANNOTATIONS, QUESTIONS] });
  assert.throws(() => val.groundTruth(), /has no list of annotations[\s\S]*val3\.json[\s\S]*in this order/);
});
