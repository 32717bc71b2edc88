import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type AnnotatedDataset,
  type ClassificationDataset,
  CocoVqaBuilder,
  CustomClassificationBuilder,
  CustomRetrievalBuilder,
  CustomVqaBuilder,
  type RetrievalEvalDataset,
  type VqaEvalDataset,
} from '#src/datasets/index.js';
import { vqaEvaluate } from '#src/index.js';
import { temporaryFolder } from '../support.js';
import { plain, samplesOf, withImages } from './support.js';

const NAMES = ['a0.png', 'a1.png', 'a2.png', 'a3.png'];

type Builder = { fromConfig(section: object): { buildDatasets(splits?: string[]): Promise<object> } };
type Built<T> = { train: T; val: T; test: T };

/** @param files by split, or of `all`; by name otherwise: an answer list */
async function build<T>(
  Builder: Builder,
  files: Record<string, [name: string, text: string]>,
  info: object = {},
  splits?: string[],
) {
  const { folder, images } = await withImages(...NAMES);
  const annotations: Record<string, object> = {};
  for (const [split, [name, text]] of Object.entries(files)) {
    const path = join(folder, name);
    writeFileSync(path, text);
    annotations[split] = { storage: path };
  }
  const processor = { name: 'blip_image_eval', image_size: 16 };
  const section = {
    vis_processor: { train: processor, eval: processor },
    build_info: { annotations, images: { storage: images }, splits: { train: 1 }, seed: 1, ...info },
  };
  return (await Builder.fromConfig(section).buildDatasets(splits)) as Built<T>;
}

const recordsOf = (dataset: unknown) =>
  (dataset as AnnotatedDataset).records.map(({ source: _, ...record }) => record);

const CSV = `Image,Question,Answer,split
a0.png,"What, exactly?",dog,train
a0.png,"What, exactly?",dog,train
a0.png,"What, exactly?",none,train
a1.png,How many?,2,train
a2.png,Is it?,Yes,val
a2.png,Is it?,yes,val
a3.png,Where?,,test
`;

const TRAINED = [
  { image: 'a0.png', text_input: 'What, exactly?', answers: ['dog', 'none'], weights: [2 / 3, 1 / 3] },
  { image: 'a1.png', text_input: 'How many?', answers: ['2'], weights: [1] },
];

const FORMS: [what: string, name: string, text: string][] = [
  [
    'CSV, an answer a row',
    'q.csv',
    CSV.split('\n').slice(0, 5).join('\n').replaceAll(',train', '').replace(',split', ''),
  ],
  [
    'TSV, answers in numbered columns',
    'q.tsv',
    'file\tquery\tanswer_0\tanswer_1\tanswer_2\na0.png\tWhat, exactly?\tdog\tdog\tnone\na1.png\tHow many?\t2\t\t\n',
  ],
  [
    'CSV, a list that Python wrote',
    'q.csv',
    `question;image;answers\n"What, exactly?";a0.png;"['dog', 'dog', 'none']"\nHow many?;a1.png;['2']\n`,
  ],
  [
    'JSON, lists of answers',
    'q.json',
    JSON.stringify([
      { image: 'a0.png', question: 'What, exactly?', answer: ['dog', 'dog', 'none'] },
      { image: 'a1.png', question: 'How many?', answer: 2 },
    ]),
  ],
  [
    "JSONL, VQA's answers",
    'q.jsonl',
    `${JSON.stringify({ image: 'a0.png', question: 'What, exactly?', answers: ['dog', 'dog', 'none'].map((answer) => ({ answer, answer_confidence: 'yes' })) })}\n${JSON.stringify({ image: 'a1.png', question: 'How many?', answers: [{ answer: '2' }] })}\n`,
  ],
];

for (const [what, name, text] of FORMS) {
  test(`questions and answers are read from ${what}`, async () => {
    const { train } = await build(CustomVqaBuilder, { all: [name, text] });
    const records = recordsOf(train) as typeof TRAINED;
    assert.deepEqual(
      records.map(({ weights: _, ...record }) => record),
      TRAINED.map(({ weights: _, ...record }) => record),
    );
    const weights = (list: typeof TRAINED) =>
      list.flatMap((one) => one.weights.map((weight) => weight.toFixed(6)));
    assert.deepEqual(weights(records), weights(TRAINED));
  });
}

test('a column names the splits; questions are numbered, and the answers of train are chosen among', async () => {
  const { train, val, test: held } = await build<VqaEvalDataset>(CustomVqaBuilder, { all: ['q.csv', CSV] });
  assert.equal(train.length, 2);
  assert.deepEqual(val.answerList, ['dog', 'none', '2']);
  assert.deepEqual((await samplesOf(val)).map(plain), [
    { text_input: 'Is it?', question_id: 0, instance_id: '0' },
  ]);
  const scores = vqaEvaluate([{ question_id: 0, answer: 'yes' }], val.groundTruth()!);
  assert.deepEqual([scores.overall, scores.perAnswerType], [100, { 'yes/no': 100 }]);
  assert.equal(held.groundTruth(), undefined);
});

test('the answers of train are known to an evaluation alone, from a file of their own', async () => {
  const train = 'image,question,answer\na0.png,What?,dog\n';
  const val = 'image,question,answer,question_id\na1.png,Why?,cat,7\na1.png,Why?,cat,7\na2.png,Who?,me,x8\n';
  const built = await build<VqaEvalDataset>(
    CustomVqaBuilder,
    { train: ['t.csv', train], val: ['v.csv', val] },
    {},
    ['val'],
  );
  assert.deepEqual(Object.keys(built), ['val']);
  assert.deepEqual(built.val.answerList, ['dog']);
  assert.deepEqual(
    recordsOf(built.val).map(({ question_id }) => question_id),
    [7, 'x8'],
  );
});

test('a list of answers of one’s own, a line each', async () => {
  const path = join(temporaryFolder(), 'answers.txt');
  writeFileSync(path, 'yes\nno\n\nmaybe\n');
  const { val } = await build<VqaEvalDataset>(
    CustomVqaBuilder,
    { all: ['q.csv', CSV] },
    { answer_list: path },
  );
  assert.deepEqual(val.answerList, ['yes', 'no', 'maybe']);
});

test('answers may have weights of their own', async () => {
  const text =
    'image,question,answer,weight\na0.png,What?,dog,0.7\na0.png,What?,cat,0.2\na0.png,What?,dog,0.1\n';
  const { train } = await build(CustomVqaBuilder, { all: ['q.csv', text] });
  const [{ answers, weights }] = recordsOf(train);
  assert.deepEqual(
    [answers, (weights as number[]).map((one) => one.toFixed(6))],
    [
      ['dog', 'cat'],
      ['0.800000', '0.200000'],
    ],
  );
});

const WRONG: [what: string, text: string, message: RegExp][] = [
  [
    'no column of questions',
    'image,answer\na0.png,dog\n',
    /no column is the question[\s\S]*custom_vqa\.build_info\.question_key/,
  ],
  [
    'a question of train without an answer',
    'image,question,answer\na0.png,What?,\na1.png,Why?,x\n',
    /1 question to train on without an answer\n.*q\.csv:2/,
  ],
  [
    'two questions of one id',
    'image,question,answer,question_id\na0.png,A?,x,1\na1.png,B?,y,1\n',
    /two questions have one id[\s\S]*q\.csv:2\n.*q\.csv:3/,
  ],
  [
    'a weight that is not a number',
    'image,question,answer,weight\na0.png,A?,x,much\n',
    /weight is not a number from 0[\s\S]*q\.csv:2/,
  ],
  [
    'fewer weights than answers',
    'image,question,answer,weight\na0.png,A?,x,1\na0.png,A?,y,\n',
    /another number of weights than answers[\s\S]*2 answers, 1 weight/,
  ],
  [
    'a wrong name of an image',
    'image,question,answer\nA0.png,A?,x\n',
    /holds none of the images[\s\S]*upper and lower case differ/,
  ],
];
for (const [what, text, message] of WRONG) {
  test(`${what} is told with its line`, async () => {
    await assert.rejects(build(CustomVqaBuilder, { all: ['q.csv', text] }), message);
  });
}

test('retrieval reads what captions are read from: images are numbered, and evaluated with all their texts', async () => {
  const text =
    'image,caption,split\na1.png,one,train\na0.png,two,train\na1.png,three,train\na2.png,four,val\na2.png,five,val\n';
  const { train, val } = await build<RetrievalEvalDataset>(CustomRetrievalBuilder, { all: ['t.csv', text] });
  assert.deepEqual(recordsOf(train), [
    { image: 'a1.png', text_input: 'one', image_id: 0, instance_id: '0' },
    { image: 'a1.png', text_input: 'three', image_id: 0, instance_id: '1' },
    { image: 'a0.png', text_input: 'two', image_id: 1, instance_id: '2' },
  ]);
  assert.deepEqual([val.text, val.txt2img, val.img2txt], [['four', 'five'], [0, 0], [[0, 1]]]);
  const object = JSON.stringify({ 'a0.png': ['one', 'two'], 'a1.png': 'three' });
  const { test: held } = await build<RetrievalEvalDataset>(CustomRetrievalBuilder, {
    test: ['t.json', object],
  });
  assert.deepEqual(
    [held.text, held.txt2img],
    [
      ['one', 'two', 'three'],
      [0, 0, 1],
    ],
  );
});

test('classes are those of train, in order, with sentences or without', async () => {
  const text = 'image,text,label,split\na0.png,A dog,2,train\na1.png,A cat,10,train\na2.png,Mice,2,val\n';
  const { train, val } = await build<ClassificationDataset>(CustomClassificationBuilder, {
    all: ['l.csv', text],
  });
  assert.deepEqual(val.classLabels, ['2', '10']);
  assert.deepEqual(
    [...recordsOf(train), ...recordsOf(val)],
    [
      { image: 'a0.png', text_input: 'A dog', label: 0, instance_id: '0' },
      { image: 'a1.png', text_input: 'A cat', label: 1, instance_id: '1' },
      { image: 'a2.png', text_input: 'Mice', label: 0, instance_id: '0' },
    ],
  );
  const json = JSON.stringify([
    { image: 'a0.png', label: 1 },
    { image: 'a1.png', label: 0 },
  ]);
  const alone = await build<ClassificationDataset>(CustomClassificationBuilder, { train: ['l.json', json] });
  assert.deepEqual(
    recordsOf(alone.train).map(({ text_input, label }) => [text_input, label]),
    [
      ['', 1],
      ['', 0],
    ],
  );
  const strange = 'image,label,split\na0.png,dog,train\na1.png,cat,train\na2.png,dgo,val\n';
  await assert.rejects(
    build(CustomClassificationBuilder, { all: ['l.csv', strange] }),
    /a label is not one of the classes[\s\S]*l\.csv:4[\s\S]*did you mean 'dog'[\s\S]*cat, dog/,
  );
});

test('another form is told with the dataset that reads it', async () => {
  const { folder, images } = await withImages(...NAMES);
  const path = join(folder, 'q.json');
  writeFileSync(
    path,
    JSON.stringify({ info: {}, questions: [{ image_id: 1, question: 'A?', question_id: 5 }] }),
  );
  const section = { build_info: { annotations: { val: { storage: path } }, images: { storage: images } } };
  await assert.rejects(
    CocoVqaBuilder.fromConfig(section).buildDatasets(),
    /VQA's own \(questions\)[\s\S]*custom_vqa reads it/,
  );
});
