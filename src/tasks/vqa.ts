import { join } from 'node:path';
import { z } from 'zod';
import { ConfigError, DataError } from '../common/errors.js';
import { writeFileAtomic } from '../common/files.js';
import { log } from '../common/logging.js';
import { resolveFile } from '../common/paths.js';
import { registry } from '../common/registry.js';
import { type Config, key, section, types } from '../config/index.js';
import type { Batch, Dataset, SampleSource, VqaDataset } from '../datasets/index.js';
import {
  checkQuestions,
  idKey,
  type QuestionId,
  readVqaAnnotations,
  readVqaQuestions,
  type VqaAnnotations,
  type VqaQuestions,
  type VqaResult,
  vqaEvaluate,
} from '../metrics/index.js';
import { type AnswerOptions, type Model, type QuestionSamples, questionModel } from '../models/index.js';
import { BaseTask, disposeSamples, type EvaluationContext, type Metrics, toSamples } from './base_task.js';
import { evaluationId } from './captioning.js';
import { compareIds, type IdComparison } from './evaluation_ids.js';
import { type EvaluationResult, pythonJson, type ShownSample, type ShownSamples } from './results.js';

const files = z.union([types.text, z.record(z.string(), types.text)]);

/** The keys of `run` that the task reads. */
const vqaSchema = section({
  inference_method: key(
    z.enum(['rank', 'generate']),
    'rank',
    "Choose among the dataset's answers, or write one.",
  ),
  num_ans_candidates: key(
    types.natural,
    128,
    'Ranking: how many answers, those that begin likeliest, are compared as a whole.',
  ),
  num_beams: key(types.natural, 3, 'Writing: beams of the search; 1 is greedy.'),
  max_len: key(types.natural, 10, 'Writing: most tokens of an answer, [DEC] counted.'),
  min_len: key(types.count, 1, 'Writing: fewest tokens of an answer, [DEC] counted.'),
  prompt: key(types.words, '', 'Accepted for LAVIS; BLIP reads questions as they are.'),
  anno_files: key(
    files,
    undefined,
    "The answers of people in place of the dataset's: a file as VQA's, or one for each split.",
  ),
  ques_files: key(files, undefined, 'And the questions that are scored; all that have answers by default.'),
  sample_id_key: key(types.text, undefined, 'Accepted for LAVIS; questions have `question_id`.'),
});

type VqaKeys = z.output<typeof vqaSchema>;

/** What a task of questions is made with. */
export interface VqaSettings extends Omit<AnswerOptions, 'answerList'> {
  annotationFiles?: string | Record<string, string>;
  questionFiles?: string | Record<string, string>;
}

interface VqaTruth {
  annotations: VqaAnnotations;
  questions?: VqaQuestions;
}

/**
 * Questions about images, scored as the VQA challenge scores them. Every split that has ground truth is scored; the
 * reference scores those of `valid_splits` alone. Source: lavis/tasks/vqa.py.
 */
@registry.registerTask('vqa')
export class VqaTask extends BaseTask {
  static readonly configSchema = vqaSchema;
  readonly resultKey: string = 'question_id';
  override readonly shownMetrics: readonly string[] = ['yes/no', 'number', 'other'];
  /** Accuracy by question, of the results that were scored last. */
  readonly #accuracies = new WeakMap<EvaluationResult[], Map<string, number>>();

  constructor(readonly settings: VqaSettings = {}) {
    super();
  }

  static setupTask(config: Config): VqaTask {
    return new VqaTask(vqaSettings(config));
  }

  override async validStep(model: Model, batch: Batch, dataset: Dataset): Promise<EvaluationResult[]> {
    const answers = await this.answer(model, batch, dataset);
    const ids = batch.question_id as QuestionId[];
    return answers.map((answer, i) => ({ question_id: evaluationId(ids[i]), answer }));
  }

  /** An answer to each question of a batch. */
  protected async answer(model: Model, batch: Batch, dataset: Dataset): Promise<string[]> {
    const samples = toSamples(batch);
    const { annotationFiles: _, questionFiles: __, ...options } = this.settings;
    try {
      return await questionModel(model).predictAnswers(samples as QuestionSamples, {
        ...options,
        answerList: answersOf(dataset),
      });
    } finally {
      disposeSamples(samples);
    }
  }

  override async checkEvaluation(split: string, dataset: Dataset): Promise<void> {
    this.checkAnswerList(dataset);
    const truth = await this.#truthOf(split, dataset);
    if (truth) checkQuestions(questionIds(dataset), truth.annotations, truth.questions);
  }

  override async metricNames(split: string, dataset: Dataset): Promise<readonly string[]> {
    const { annotations } = (await this.#truthOf(split, dataset))?.annotations ?? {};
    return annotations ? ['agg_metrics', ...new Set(annotations.map(({ answer_type }) => answer_type))] : [];
  }

  override async compareIds(split: string, dataset: Dataset): Promise<IdComparison | undefined> {
    const truth = await this.#truthOf(split, dataset);
    const references = truth?.annotations.annotations.map(
      ({ question_id, answers }) =>
        [idKey(question_id), { captions: answers.map(({ answer }) => answer) }] as const,
    );
    return compareIds(questionSources(dataset), references && new Map(references));
  }

  /** @throws DataError for ranking without answers to choose from */
  protected checkAnswerList(dataset: Dataset): void {
    if (this.settings.inferenceMethod === 'generate' || answersOf(dataset)?.length) return;
    throw new DataError(`${dataset.name} has no list of answers to choose from`, {
      allowed: "a list of answers with the split's annotations, as answer_list.json of coco_vqa",
      help: 'run.inference_method=generate writes answers instead',
    });
  }

  override async afterEvaluation(
    results: EvaluationResult[],
    { split, resultDir, dataset, writeLine }: EvaluationContext,
  ): Promise<Metrics | undefined> {
    const file = answersFile(resultDir, split);
    await writeFileAtomic(file, pythonJson(results));
    log.info(`${results.length} answers of ${split} are in ${file}`);
    const truth = await this.#truthOf(split, dataset);
    if (!truth) {
      log.warnOnce(`there is no ground truth for ${split}: its answers are written, not scored`);
      return undefined;
    }
    const scores = vqaEvaluate(results as unknown as VqaResult[], truth.annotations, truth.questions);
    this.#accuracies.set(
      results,
      new Map([...scores.perQuestion].map(([id, accuracy]) => [String(id), accuracy])),
    );
    const metrics: Metrics = { agg_metrics: scores.overall, ...scores.perAnswerType };
    await writeLine('evaluate.txt', pythonJson(metrics));
    return metrics;
  }

  override async show(
    results: EvaluationResult[],
    { split, dataset }: Pick<EvaluationContext, 'split' | 'dataset'>,
  ): Promise<ShownSamples> {
    const truth = await this.#truthOf(split, dataset);
    const human = new Map(
      truth?.annotations.annotations.map(({ question_id, answers }) => [
        String(question_id),
        answers.map(({ answer }) => answer),
      ]),
    );
    const accuracies = this.#accuracies.get(results);
    const samples = results.map(({ question_id, answer }) => {
      const id = question_id as QuestionId;
      const references = commonFirst(human.get(String(id)) ?? []);
      return { id, said: String(answer), references, score: accuracies?.get(String(id)) };
    });
    return { score: accuracies && 'accuracy', samples: withQuestions(samples, dataset) };
  }

  async #truthOf(split: string, dataset: Dataset): Promise<VqaTruth | undefined> {
    const [annotations, questions] = [this.settings.annotationFiles, this.settings.questionFiles].map(
      (given) => (typeof given === 'object' ? given[split] : given),
    );
    const own = annotations ? undefined : dataset.groundTruth?.();
    const source = annotations ? resolveFile(annotations) : own;
    if (!source) return undefined;
    const asked = questions ? resolveFile(questions) : own?.questions && own;
    return {
      annotations: await readVqaAnnotations(source),
      questions: asked ? await readVqaQuestions(asked) : undefined,
    };
  }
}

/** The keys of a `run` section as settings. */
export function vqaSettings(config: Config): VqaSettings {
  const keys: VqaKeys = config.read('run', vqaSchema);
  if (keys.min_len > keys.max_len) {
    throw new ConfigError('run.min_len is more than run.max_len', {
      found: `${keys.min_len} and ${keys.max_len}`,
    });
  }
  return {
    inferenceMethod: keys.inference_method,
    numAnsCandidates: keys.num_ans_candidates,
    numBeams: keys.num_beams,
    maxLength: keys.max_len,
    minLength: keys.min_len,
    annotationFiles: keys.anno_files,
    questionFiles: keys.ques_files,
  };
}

/** Where the answers of a split are written; those of the next evaluation take their place, as in LAVIS. */
export const answersFile = (resultDir: string, split: string) => join(resultDir, `${split}_vqa_result.json`);

/** Samples with the questions and pictures that a dataset has of their ids. */
export function withQuestions(
  samples: readonly Omit<ShownSample, 'files'>[],
  dataset: Dataset,
): ShownSample[] {
  const files = new Map([...(dataset.imageFiles?.() ?? [])].map(([id, list]) => [String(id), list]));
  const questions = new Map<string, string>();
  for (let i = 0; i < dataset.length; i++) {
    const { question_id: id, text_input: text } = dataset.job?.(i).record ?? {};
    if (id !== undefined) questions.set(String(evaluationId(id as QuestionId)), String(text));
  }
  return samples.map((sample) => ({
    ...sample,
    files: files.get(String(sample.id)) ?? [],
    asked: questions.get(String(sample.id)),
  }));
}

/** Each answer once, what most people said first. */
export function commonFirst(answers: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const answer of answers) counts.set(answer, (counts.get(answer) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a).map(([answer]) => answer);
}

const answersOf = (dataset: Dataset) => (dataset as Partial<VqaDataset>).answerList;

function* questionIds(dataset: Dataset): Generator<QuestionId> {
  for (let i = 0; i < dataset.length; i++) {
    const id = dataset.job?.(i).record.question_id;
    if (id !== undefined) yield evaluationId(id as QuestionId)!;
  }
}

/** Where each question comes from, under its id. */
function* questionSources(dataset: Dataset): Generator<SampleSource> {
  let place = 0;
  for (const source of dataset.sources?.() ?? []) {
    const id = dataset.job?.(place++).record.question_id as QuestionId | undefined;
    yield { ...source, image_id: id };
  }
}
