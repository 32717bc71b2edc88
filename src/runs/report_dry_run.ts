import { counted, formatBytes, formatCount } from '../common/words.js';
import { isCheckpointDue, isValidationDue, type RunSettings } from '../runners/index.js';
import type { ShownSample } from '../tasks/index.js';
import type { MemoryEstimate } from './memory_estimate.js';
import type { RememberedSize } from './remember/remember_images.js';

export interface Evaluations {
  /** Of one batch, and its samples. */
  seconds: number;
  samples: number;
  /** What was said of the first. */
  first?: Pick<ShownSample, 'asked' | 'said'>;
  /** Batches of all valid splits, and of all test splits. */
  valid: number;
  test: number;
}

/** Of the data of valid splits. */
export interface Losses {
  loss: number;
  /** Of one batch, and its samples. */
  seconds: number;
  samples: number;
  /** Batches of all valid splits, of all workers together. */
  batches: number;
}

/** What a dry run found. */
export interface DryRunFacts {
  settings: RunSettings;
  engine?: string;
  worldSize: number;
  /** Numbers of the model, and those that are trained. */
  parameters: number;
  trained: number;
  losses: Record<string, number>;
  secondsPerStep: number;
  /** Micro-steps of the whole run, and its rounds. */
  steps: number;
  rounds: number;
  unit: 'epoch' | 'iters';
  checkpointBytes: number;
  estimate?: MemoryEstimate;
  /** The most memory that the process had. */
  peak: number;
  limit: number;
  advice: string[];
  evaluation?: Evaluations;
  /** Of a run with `run.cache_image_embeds`; the steps here were taken without. */
  remembered?: RememberedSize;
  loss?: Losses;
  free: number;
}

/** The report as lines for people. */
export function dryRunReport(facts: DryRunFacts): string {
  const { settings, evaluation, estimate, limit, peak, free } = facts;
  const rows: [string, string][] = [
    ['engine', `${facts.engine ?? ''}${facts.worldSize > 1 ? `, ${facts.worldSize} workers` : ''}`],
    ['parameters', `${formatCount(facts.parameters)}, ${formatCount(facts.trained)} of them trained`],
    ['step', `${seconds(facts.secondsPerStep)}, ${batchOf(facts)}, ${lossesOf(facts)}`],
  ];
  if (evaluation) {
    const { first } = evaluation;
    const asked = first?.asked ? `'${first.asked}' ` : '';
    const said = first ? `, the first: ${asked}'${first.said.split('\n')[0]}'` : '';
    rows.push(['evaluation', `${seconds(evaluation.seconds)} a batch of ${evaluation.samples}${said}`]);
  }
  if (facts.loss) {
    const { loss, samples } = facts.loss;
    rows.push(['val loss', `${seconds(facts.loss.seconds)} a batch of ${samples}, loss ${loss.toFixed(3)}`]);
  }
  rows.push(['memory', `${formatBytes(peak)} at most, of ${formatBytes(limit)}`]);
  if (estimate) rows.push(['', partsOf(estimate, peak, settings)]);
  rows.push(['checkpoint', `${formatBytes(facts.checkpointBytes)}, written and read again`]);
  const { total, told } = runSeconds(facts);
  rows.push(...told);
  rows.push([
    'the run',
    `${dayTime(total)}: ${counted(facts.steps, 'step')}, ${counted(evaluationsOf(facts), 'evaluation')}`,
  ]);
  const files = checkpointsOf(facts);
  const disk = files * facts.checkpointBytes;
  const few = disk > 0.95 * free ? ' TOO LITTLE: run.keep_last=1, or another run.output_dir' : '';
  rows.push([
    'disk',
    `${formatBytes(disk)} for ${counted(files, 'checkpoint')}; ${formatBytes(free)} are free${few}`,
  ]);
  const lines = rows.map(([name, text]) => `${name.padEnd(11)} ${text}`);
  if (facts.advice.length > 0)
    lines.push('Memory is short. Less with:', ...facts.advice.map((line) => `  ${line}`));
  return lines.join('\n');
}

const batchOf = ({ settings: { batchSizeTrain: size, accumGradIters: times } }: DryRunFacts) =>
  `batch ${size}${times > 1 ? ` (an update every ${times})` : ''}`;

const lossesOf = ({ losses }: DryRunFacts) =>
  Object.entries(losses)
    .map(([name, value]) => `${name} ${value.toFixed(3)}`)
    .join(', ');

function partsOf(
  { weights, gradients, moments, activations }: MemoryEstimate,
  peak: number,
  settings: RunSettings,
) {
  const rest = Math.max(0, peak - weights - gradients - moments);
  const guess = activations === undefined ? '' : ` (activations were guessed at ${formatBytes(activations)})`;
  return (
    `weights ${formatBytes(weights)}, gradients ${formatBytes(gradients)}, AdamW ${formatBytes(moments)}, ` +
    `the program and a batch of ${settings.batchSizeTrain} ${formatBytes(rest)}${guess}`
  );
}

/** How long the run takes, and what remembered images have to do with it. */
function runSeconds(facts: DryRunFacts): { total: number; told: [string, string][] } {
  const { remembered, settings, steps, secondsPerStep, worldSize } = facts;
  const asTried = secondsPerStep * steps + evaluationSeconds(facts);
  if (!remembered) return { total: asTried, told: [] };
  const { views, missing, bytes, secondsEach } = remembered;
  const without = (duration: number, images: number) => Math.max(0, duration - secondsEach * images);
  const step = without(secondsPerStep, settings.batchSizeTrain);
  const remembering = <T extends { seconds: number; samples: number }>(batch?: T) =>
    batch && { ...batch, seconds: without(batch.seconds, batch.samples) };
  const tried = { ...facts, evaluation: remembering(facts.evaluation), loss: remembering(facts.loss) };
  const encoding = (missing * secondsEach) / worldSize;
  const total = step * steps + evaluationSeconds(tried) + encoding;
  const saved = asTried - total;
  return {
    total,
    told: [
      [
        'remembered',
        `${counted(views, 'view')} of images, ${formatBytes(bytes)} of run.cache_limit_gb=${settings.cacheLimitGb}; ` +
          (missing > 0
            ? `${missing} are encoded first, once, in about ${dayTime(encoding)}`
            : 'all are there'),
      ],
      [
        '',
        `a step takes about ${seconds(step)} then, not ${seconds(secondsPerStep)}: ` +
          (saved > 0
            ? `${dayTime(saved)} of this run saved`
            : 'in this run encoding takes longer than it saves'),
      ],
    ],
  };
}

/** How often the valid splits are evaluated. */
function validations({ settings, rounds }: DryRunFacts): number {
  if (settings.validSplits.length === 0) return 0;
  return numbers(rounds).filter((round) => isValidationDue(settings, round, rounds)).length;
}

const evaluationsOf = (facts: DryRunFacts) =>
  validations(facts) + (facts.settings.testSplits.length > 0 ? 1 : 0);

function evaluationSeconds(facts: DryRunFacts): number {
  const { evaluation, loss, worldSize } = facts;
  const times = validations(facts);
  const losses = loss ? (loss.seconds * loss.batches * times) / worldSize : 0;
  return losses + (evaluation ? evaluation.seconds * (evaluation.valid * times + evaluation.test) : 0);
}

/** How many checkpoints lie in the folder when they are most: the one that is being written is the last, or one more. */
function checkpointsOf({ settings, rounds }: DryRunFacts): number {
  const { validSplits, saveEveryIters, keepLast } = settings;
  const isDue = (round: number) => isCheckpointDue(settings, round, rounds);
  const numbered = numbers(rounds).filter(isDue).length;
  const last = rounds > 0 && isDue(rounds - 1);
  const kept = Math.min(numbered, keepLast ?? Number.POSITIVE_INFINITY);
  const best = validSplits.length > 0 ? 1 : 0;
  const latest = saveEveryIters || validSplits.length > 0 ? 1 : 0;
  return kept + best + latest + (last && kept === numbered ? 0 : 1);
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

const seconds = (value: number) => `${value.toPrecision(3)} s`;

function dayTime(total: number): string {
  const days = Math.floor(total / 86400);
  const clock = new Date(Math.round(total % 86400) * 1000).toISOString().slice(11, 19);
  return days > 0 ? `${days} days ${clock}` : clock;
}
