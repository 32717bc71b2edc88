import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { Dataset } from '#src/datasets/index.js';
import { setupEngine } from '#src/engine/index.js';
import type { VqaAnnotations, VqaQuestions, VqaResult } from '#src/metrics/index.js';
import { normalizeAnswer } from '#src/metrics/vqa/normalize.js';
import { BlipVQA } from '#src/models/index.js';
import { AokVqaTask, type BaseTask, VqaTask } from '#src/tasks/index.js';
import { familyModel } from '../models/family.js';
import { readTensors } from '../models/tiny.js';
import { fixtureJson, temporaryFolder } from '../support.js';
import { evaluate, memoryDataset, picturesOf, taskOf } from './support.js';

interface Answering {
  questions: string[];
  cases: { name: string; answer_list: string[]; answers: string[] }[];
}
interface Scoring {
  annotations: VqaAnnotations;
  questions: VqaQuestions;
  results: VqaResult[];
  accuracy: { overall: number; perAnswerType: Record<string, number> };
}

const folder = temporaryFolder();
const FOLDER = 'tiny_vqa';
const ranked = fixtureJson<Answering>(FOLDER, 'rank.json');
const [all] = ranked.cases;
const generated = fixtureJson<Answering>(FOLDER, 'generation.json');
const scored = fixtureJson<Scoring>(FOLDER, 'vqa_eval.json');

const vqa = (run: object) =>
  taskOf<VqaTask>(folder, { arch: 'blip_vqa', model_type: 'vqav2' }, { task: 'vqa', ...run });

/** The fixture's questions about its pictures, ids as text. */
async function questions(more: object = {}, ofEach: (i: number) => object = () => ({})): Promise<Dataset> {
  const pictures = picturesOf((await readTensors(FOLDER, 'predict_inputs.safetensors')).get('image')!);
  const samples = ranked.questions.map((text_input, i) => ({
    ...{ image: pictures[i], text_input, question_id: String(i + 10) },
    ...ofEach(i),
  }));
  return memoryDataset(samples, {
    answerList: all.answer_list,
    *sources() {
      for (const { question_id } of samples) yield { image: `${question_id}.jpg`, source: 'val.json' };
    },
    ...more,
  });
}

/** Ten people who all say what the model says to the first four questions, and something else to the others. */
const truthOf = (answers: readonly string[]): VqaAnnotations => ({
  annotations: answers.map((answer, i) => ({
    question_id: i + 10,
    question_type: 'what is',
    answer_type: i === 5 ? 'yes/no' : 'other',
    answers: Array.from({ length: 10 }, () => ({ answer: i < 4 ? normalizeAnswer(answer) : 'nothing' })),
  })),
});

const readResult = (name = 'result/val_vqa_result.json') =>
  JSON.parse(readFileSync(join(folder, name), 'utf8'));

describe('the task vqa', () => {
  before(() => setupEngine({ device: 'cpu' }));

  it("takes LAVIS's keys, with its defaults", async () => {
    assert.deepEqual((await vqa({})).settings, {
      ...{ inferenceMethod: 'rank', numAnsCandidates: 128, numBeams: 3, maxLength: 10, minLength: 1 },
      ...{ annotationFiles: undefined, questionFiles: undefined },
    });
    await assert.rejects(vqa({ min_len: 11 }), /run\.min_len is greater than run\.max_len/);
  });

  it('answers as the reference by choosing and by writing, and scores them as the challenge does', async () => {
    const model = await familyModel(BlipVQA, FOLDER);
    const truth = truthOf(all.answers);
    const dataset = await questions({ groundTruth: () => truth });
    const task = await vqa({});
    const { results, metrics, lines, context } = await evaluate(task, model, dataset, { folder });
    const expected = all.answers.map((answer, i) => ({ question_id: i + 10, answer }));
    assert.deepEqual(results, expected);
    assert.deepEqual(readResult(), expected);
    assert.deepEqual(metrics, { agg_metrics: 66.67, other: 80, 'yes/no': 0 });
    assert.deepEqual(lines, ['evaluate.txt {"agg_metrics": 66.67, "other": 80, "yes/no": 0}']);
    const { score, samples } = await task.show(results, context);
    assert.equal(score, 'accuracy');
    assert.deepEqual(
      samples.map((sample) => [sample.asked, sample.said, sample.references[0], sample.score]),
      ranked.questions.map((asked, i) => [
        ...[asked, all.answers[i], i < 4 ? normalizeAnswer(all.answers[i]) : 'nothing'],
        i < 4 ? 100 : 0,
      ]),
    );

    // One by one: the padding of shorter questions is attended to when an answer is written.
    const written = await vqa({ inference_method: 'generate' });
    const pictures = picturesOf((await readTensors(FOLDER, 'predict_inputs.safetensors')).get('image')!);
    const batch = dataset.collate(
      generated.questions.map((text_input, i) => ({ image: pictures[i], text_input, question_id: i })),
    );
    assert.deepEqual(
      (await written.validStep(model, batch, dataset)).map(({ answer }) => answer),
      generated.cases[0].answers,
    );
    model.dispose();
  });

  it('scores any split that has ground truth, and the results of the fixture as the reference does', async () => {
    const questionsOf = memoryDataset(
      scored.results.map(({ question_id }) => ({ question_id, text_input: 'what' })),
      { groundTruth: () => ({ ...scored.annotations, ...scored.questions }), answerList: ['a'] },
    );
    const lines: string[] = [];
    const context = {
      ...{ split: 'test', epoch: 'best', resultDir: folder, dataset: questionsOf },
      writeLine: async (_: string, line: string) => void lines.push(line),
    };
    const { overall, perAnswerType } = scored.accuracy;
    const results = scored.results as unknown as Record<string, unknown>[];
    const fromDataset = await (await vqa({ test_splits: ['test'] })).afterEvaluation(results, context);
    assert.deepEqual(fromDataset, { agg_metrics: overall, ...perAnswerType });

    const [anno_files, ques_files] = ['annotations', 'questions'].map((name) => join(folder, `${name}.json`));
    writeFileSync(anno_files, JSON.stringify(scored.annotations));
    writeFileSync(ques_files, JSON.stringify(scored.questions));
    const without = { ...context, dataset: { ...questionsOf, groundTruth: () => undefined } };
    for (const files of [
      { anno_files, ques_files },
      { anno_files: { test: anno_files }, ques_files: { test: ques_files } },
    ]) {
      assert.deepEqual(await (await vqa(files)).afterEvaluation(results, without), fromDataset);
    }
    assert.equal(await (await vqa({})).afterEvaluation(results, without), undefined);
    assert.equal(readResult('test_vqa_result.json').length, scored.results.length);
  });

  it('says before the first step what an evaluation would fail with', async () => {
    const check = async (run: object, dataset: Dataset) => (await vqa(run)).checkEvaluation('val', dataset);
    await assert.rejects(check({}, await questions({ answerList: undefined })), /no answer list to rank/);
    await check({ inference_method: 'generate' }, await questions({ answerList: undefined }));
    const truth = truthOf(all.answers.slice(1));
    await assert.rejects(
      check({}, await questions({ groundTruth: () => truth })),
      /1 answers to questions that are not there: 15/,
    );
    const ids = await (await vqa({})).compareIds('val', await questions({ groundTruth: () => truth }));
    assert.deepEqual(
      [ids?.count, ids?.references, ids?.unused, ids?.unreferenced.map(({ image_id }) => image_id)],
      [6, 5, [], ['15']],
    );
    truth.annotations[0].answers = [];
    await assert.rejects(
      check({}, await questions({ groundTruth: () => truth })),
      /annotations\[0\]\.answers\n.*found: +\[\]/,
    );
  });
});

describe('the task aok_vqa', () => {
  before(() => setupEngine({ device: 'cpu' }));

  const aok = async (): Promise<BaseTask> =>
    taskOf(folder, { arch: 'blip_vqa', model_type: 'aokvqa' }, { task: 'aok_vqa' });

  it('scores the share of three people who say the same, word for word', async () => {
    const task = await aok();
    assert.ok(task instanceof AokVqaTask && task instanceof VqaTask);
    const model = await familyModel(BlipVQA, FOLDER);
    const people = (i: number) => ({
      direct_answers: Array.from({ length: 10 }, (_, k) => (k < i ? all.answers[i] : 'The other')),
    });
    const { results, metrics, lines, context } = await evaluate(task, model, await questions({}, people), {
      folder,
    });
    const acc = (100 * (0 + 1 / 3 + 2 / 3 + 1 + 1 + 1)) / 6;
    assert.ok(Math.abs(metrics!.acc - acc) < 1e-9);
    assert.equal(metrics!.agg_metrics, metrics!.acc);
    assert.equal(lines.length, 1);
    assert.deepEqual(readResult()[2], {
      question_id: 12,
      pred_ans: all.answers[2],
      gt_ans: people(2).direct_answers,
    });
    const { samples } = await task.show(results, context);
    assert.deepEqual([samples[4].asked, samples[4].score], [ranked.questions[4], 100]);

    const secret = await questions({}, () => ({ direct_answers: null }));
    const blind = await evaluate(task, model, secret, { folder, split: 'test' });
    assert.equal(blind.metrics, undefined);
    assert.deepEqual(blind.lines, []);
    assert.deepEqual(readResult('result_leaderboard.json')['10'], {
      direct_answer: all.answers[0],
      multiple_choice: '',
    });
    model.dispose();
  });
});
