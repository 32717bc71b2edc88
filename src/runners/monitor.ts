import { ConfigError } from '../common/errors.js';
import { didYouMean } from '../common/suggest.js';
import type { BaseTask } from '../tasks/index.js';
import type { Waiting } from './patience.js';
import { decisiveSplit, type RunSettings } from './settings.js';
import { checkSplits, type DatasetsBySplit, evaluated, trainingForm } from './splits.js';

/** Scores of a split by name; `loss` and its parts are those of the data in their training form. */
export type Scores = Readonly<Record<string, number>>;

/** As `run.monitor` calls the loss of the deciding split; in its scores it is `loss`. */
const VAL_LOSS = 'val_loss';
const DEFAULT = 'agg_metrics';

type Asking = Pick<RunSettings, 'monitor' | 'valLoss'>;

/** Whether valid splits get a loss beside their scores. */
export const wantsLoss = ({ monitor, valLoss }: Asking): boolean => valLoss || monitor === VAL_LOSS;

/** The score that chooses the best checkpoint, and that `run.patience` waits for. */
export class Monitor {
  readonly #lower: boolean;

  constructor(
    readonly name: string,
    { lowerIsBetter }: Pick<BaseTask, 'lowerIsBetter'>,
  ) {
    this.#lower = name === VAL_LOSS || lowerIsBetter.some((each) => isCalled(each, name));
  }

  /**
   * What it is in a split's scores; undefined where the task scores nothing and nobody asked for a score by name.
   * @throws ConfigError where it is not among them
   */
  scoreOf(scores: Scores): number | undefined {
    const key = this.name === VAL_LOSS ? 'loss' : this.name;
    const found = Object.keys(scores).find((each) => isCalled(each, key));
    if (found !== undefined) return scores[found];
    if (this.name === DEFAULT) return undefined;
    throw unknownMetric(this.name, Object.keys(scores));
  }

  /** @param by how much at least */
  isBetter(score: number, than: number | null | undefined, by = 0): boolean {
    if (Number.isNaN(score)) return false;
    if (than === null || than === undefined) return true;
    return this.#lower ? score < than - by : score > than + by;
  }
}

/**
 * Looks at what a run will need for `run.monitor` and `run.val_loss`, before its first step.
 * @throws ConfigError for a name that the task will not report, or with nothing to evaluate
 */
export async function checkMonitor(
  task: BaseTask,
  settings: RunSettings,
  datasets: DatasetsBySplit,
): Promise<void> {
  const { monitor, valLoss } = settings;
  const split = decisiveSplit(settings);
  if (split === undefined) {
    if (monitor === DEFAULT && !valLoss) return;
    if (!task.evaluates && !wantsLoss(settings)) throw unknownMetric(monitor, []);
    const key = monitor === DEFAULT ? 'val_loss' : 'monitor';
    throw new ConfigError(`run.${key} has nothing to evaluate`, {
      found: `${key} ${key === 'monitor' ? monitor : 'True'}, and no valid split`,
      allowed: 'with valid_splits',
      help: '--options run.valid_splits=[val]',
    });
  }
  checkSplits(datasets, settings);
  if (wantsLoss(settings)) for (const each of settings.validSplits) trainingForm(evaluated(datasets, each));
  if (monitor === DEFAULT || monitor === VAL_LOSS) return;
  const names = await task.metricNames(split, evaluated(datasets, split));
  if (names && !names.some((each) => isCalled(each, monitor))) throw unknownMetric(monitor, names);
}

/** Where a run stands with its best score while its splits are evaluated: nothing of it counts before all are. */
export class Standing {
  improved = false;

  constructor(
    private readonly monitor: Monitor,
    public score: number | null,
    public at: number,
    public waited: Waiting | undefined,
  ) {}

  /**
   * After one more evaluation of the deciding split.
   * @param at the number of the round
   * @param minDelta by how much a score has to be better for patience to begin anew
   * @returns whether it is the best so far
   */
  add(score: number, at: number, minDelta: number): boolean {
    const reached = this.waited?.score ?? null;
    this.waited = this.monitor.isBetter(score, reached, minDelta)
      ? { score, evaluations: 0 }
      : { score: reached, evaluations: (this.waited?.evaluations ?? 0) + 1 };
    if (!this.monitor.isBetter(score, this.score)) return false;
    Object.assign(this, { score, at, improved: true });
    return true;
  }
}

/** Bleu_4 is bleu_4 to whoever types it. */
const isCalled = (name: string, asked: string) => name.toLowerCase() === asked.toLowerCase();

function unknownMetric(name: string, reported: readonly string[]): ConfigError {
  const allowed = [...new Set([VAL_LOSS, ...reported.filter((each) => !/^loss/.test(each))])];
  return new ConfigError('run.monitor is not a score of the task', {
    where: 'run.monitor',
    found: [`'${name}'`, didYouMean(name, allowed)].filter(Boolean).join('; '),
    allowed: allowed.join(', '),
  });
}
