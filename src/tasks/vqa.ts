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
    'Ranking: how many answers, those with the likeliest first token, are scored in full.',
  ),
  num_beams: key(types.natural, 3, 'Generation: number of beams; 1 is greedy search.'),
  max_len: key(types.natural, 10, 'Generation: maximum tokens of an answer, including [DEC].'),
  min_len: key(types.count, 1, 'Generation: minimum tokens of an answer, including [DEC].'),
  prompt: key(types.words, '', 'Accepted for LAVIS; BLIP reads questions as they are.'),
  anno_files: key(
    files,
    undefined,
    "Ground-truth answers in place of the dataset's: a file in VQA's format, or one for each split.",
  ),
  ques_files: key(files, undefined, 'The questions to score; by default all that have answers.'),
  sample_id_key: key(types.text, undefined, 'Accepted for LAVIS; questions have `question_id`.'),
});

type VqaKeys = z.output<typeof vqaSchema>;

/** Options of a VQA task. */
export interface VqaSettings extends Omit<AnswerOptions, 'answerList'> {
  annotationFiles?: string | Record<string, string>;
  questionFiles?: string | Record<string, string>;
}

interface VqaTruth {
  annotations: VqaAnnotations;
  questions?: VqaQuestions;
}

/**
 * Visual question answering, scored as in the VQA challenge. Every split with ground truth is scored; the reference
 * scores only `valid_splits`. Source: lavis/tasks/vqa.py.
 */
@registry.registerTask('vqa')
export class VqaTask extends BaseTask {
  static readonly configSchema = vqaSchema;
  readonly resultKey: string = 'question_id';
  override readonly shownMetrics: readonly string[] = ['yes/no', 'number', 'other'];
  /** Accuracy by question, from the last scored results. */
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

  /** Answers each question of a batch. */
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

  /** @throws DataError for ranking without an answer list */
  protected checkAnswerList(dataset: Dataset): void {
    if (this.settings.inferenceMethod === 'generate' || answersOf(dataset)?.length) return;
    throw new DataError(`${dataset.name} has no answer list to rank`, {
      allowed: "a list of answers with the split's annotations, as answer_list.json of coco_vqa",
      help: 'run.inference_method=generate generates answers instead',
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
      log.warnOnce(`${split} has no ground truth: its answers are written but not scored`);
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
    throw new ConfigError('run.min_len is greater than run.max_len', {
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

/** Where the answers of a split are written; the next evaluation overwrites them, as in LAVIS. */
export const answersFile = (resultDir: string, split: string) => join(resultDir, `${split}_vqa_result.json`);

/** Adds each sample's question and image, looked up by id in the dataset. */
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

/** Distinct answers, most frequent first. */
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

/** The source of each question, by id. */
function* questionSources(dataset: Dataset): Generator<SampleSource> {
  let place = 0;
  for (const source of dataset.sources?.() ?? []) {
    const id = dataset.job?.(place++).record.question_id as QuestionId | undefined;
    yield { ...source, image_id: id };
  }
}
