import { dirname, join } from 'node:path';
import { writeFileAtomic } from '../common/files.js';
import { log } from '../common/logging.js';
import { registry } from '../common/registry.js';
import type { Config } from '../config/index.js';
import type { Batch, Dataset } from '../datasets/index.js';
import type { QuestionId } from '../metrics/index.js';
import type { Model } from '../models/index.js';
import type { EvaluationContext, Metrics } from './base_task.js';
import { evaluationId } from './captioning.js';
import { type EvaluationResult, pythonJson, type ShownSamples } from './results.js';
import { answersFile, commonFirst, VqaTask, vqaSettings, withQuestions } from './vqa.js';

/** A predicted answer with the human ones; null where those are withheld. */
interface AokResult {
  question_id: QuestionId;
  pred_ans: string;
  gt_ans: string[] | null;
}

/** Knowledge-based questions with open-ended answers. Source: lavis/tasks/vqa.py, AOKVQATask. */
@registry.registerTask('aok_vqa')
export class AokVqaTask extends VqaTask {
  override readonly shownMetrics: readonly string[] = [];

  static override setupTask(config: Config): AokVqaTask {
    return new AokVqaTask(vqaSettings(config));
  }

  override async validStep(model: Model, batch: Batch, dataset: Dataset): Promise<EvaluationResult[]> {
    const answers = await this.answer(model, batch, dataset);
    const ids = batch.question_id as QuestionId[];
    const human = batch.direct_answers as (string[] | null)[] | undefined;
    return answers.map((answer, i) => ({
      question_id: evaluationId(ids[i]),
      pred_ans: answer,
      gt_ans: human?.[i] ?? null,
    }));
  }

  /** The human answers come with the questions: there is no separate file whose ids could differ. */
  override async checkEvaluation(_split: string, dataset: Dataset): Promise<void> {
    this.checkAnswerList(dataset);
  }

  override async metricNames(): Promise<readonly string[]> {
    return ['agg_metrics', 'acc'];
  }

  override async compareIds(): Promise<undefined> {
    return undefined;
  }

  override async afterEvaluation(
    given: EvaluationResult[],
    { split, resultDir, writeLine }: EvaluationContext,
  ): Promise<Metrics | undefined> {
    const results = given as unknown as AokResult[];
    const file = answersFile(resultDir, split);
    await writeFileAtomic(file, pythonJson(results));
    log.info(`${results.length} answers of ${split} are in ${file}`);
    const scores = results.map(accuracyOf);
    if (scores.some((score) => score === undefined)) {
      const place = join(dirname(resultDir), 'result_leaderboard.json');
      await writeFileAtomic(place, pythonJson(forLeaderboard(results)));
      log.info(`${split} has no ground-truth answers: the leaderboard submission is in ${place}`);
      return undefined;
    }
    const acc = (100 * (scores as number[]).reduce((sum, score) => sum + score, 0)) / scores.length;
    const metrics: Metrics = { agg_metrics: acc, acc };
    await writeLine('evaluate.txt', pythonJson(metrics));
    return metrics;
  }

  override async show(
    given: EvaluationResult[],
    { dataset }: Pick<EvaluationContext, 'dataset'>,
  ): Promise<ShownSamples> {
    const samples = (given as unknown as AokResult[]).map((result) => {
      const accuracy = accuracyOf(result);
      return {
        id: result.question_id,
        said: result.pred_ans,
        references: commonFirst(result.gt_ans ?? []),
        score: accuracy === undefined ? undefined : 100 * accuracy,
      };
    });
    const scored = samples.some(({ score }) => score !== undefined);
    return { score: scored ? 'accuracy' : undefined, samples: withQuestions(samples, dataset) };
  }
}

/** A third for each person who gave exactly this answer, at most 1; undefined where the human answers are unknown. */
function accuracyOf({ pred_ans, gt_ans }: AokResult): number | undefined {
  return gt_ans ? Math.min(1, gt_ans.filter((answer) => answer === pred_ans).length / 3) : undefined;
}

const forLeaderboard = (results: readonly AokResult[]) =>
  Object.fromEntries(
    results.map(({ question_id, pred_ans }) => [
      question_id,
      { direct_answer: pred_ans, multiple_choice: '' },
    ]),
  );
