import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../common/files.js';
import { writeOrWarn } from './run_folder.js';

/**
 * One line of metrics.jsonl. `step`: a micro-step, every `log_freq`; `epoch`: averages over a round of
 * training; `evaluation`: the scores of a split; `end`: the run is over. The other keys are numbers by name.
 */
export interface MetricsLine {
  kind: 'step' | 'epoch' | 'evaluation' | 'end';
  /** Rounds done before it: the epoch (`runner_iter`: the inner epoch) it belongs to. */
  epoch: number;
  /** Micro-steps done since the start of the run. */
  iteration: number;
  /** Seconds since 1970. */
  time: number;
  /** `step`: micro-steps done in the round. */
  step?: number;
  /** `evaluation`. */
  split?: string;
  /** `evaluation`: the epoch in the name of the result file. */
  label?: number | string;
  /** `evaluation`: the runner kept its weights as the best so far. */
  best?: true;
  [name: string]: unknown;
}

const FILE = 'metrics.jsonl';

/** metrics.jsonl. A disk that is full ends neither run nor line. */
export class MetricsLog {
  readonly #path: string;

  constructor(readonly folder: string) {
    this.#path = join(folder, FILE);
  }

  /**
   * Begins with the lines of an earlier part of the run that are to stay.
   * @param from the folder that the run goes on from
   */
  async open(from: string, stays: (line: MetricsLine) => boolean): Promise<void> {
    const own = await readMetrics(this.folder);
    const lines = (own.length > 0 ? own : await readMetrics(from)).filter(stays);
    await writeOrWarn(this.#path, (path) => writeFileAtomic(path, lines.map(serialize).join('')));
  }

  async append(line: MetricsLine): Promise<void> {
    await writeOrWarn(this.#path, (path) => appendFile(path, serialize(line)));
  }
}

/** The lines of a run's metrics.jsonl; a last one that a kill cut short is left out. */
export async function readMetrics(folder: string): Promise<MetricsLine[]> {
  const text = await readFile(join(folder, FILE), 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    try {
      const value: unknown = JSON.parse(line);
      return typeof value === 'object' && value !== null ? [value as MetricsLine] : [];
    } catch {
      return [];
    }
  });
}

const serialize = (line: MetricsLine) => `${JSON.stringify(line)}\n`;

const POSITION_KEYS = new Set([
  'kind',
  'epoch',
  'iteration',
  'time',
  'step',
  'steps',
  'split',
  'label',
  'best',
]);

/** The numbers of a line apart from those that say where it belongs. */
export const numbersIn = (line: MetricsLine): [name: string, value: number][] =>
  Object.entries(line).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number' && !POSITION_KEYS.has(entry[0]),
  );

/** A value at a step. */
export interface Scalar {
  tag: string;
  value: number;
  step: number;
  /** Seconds since 1970. */
  time: number;
}

/** As loggers call the numbers of a line: `train/loss`, `train_epoch/loss`, `val/CIDEr`. */
export function scalarsOf(line: MetricsLine): Scalar[] {
  const group = { step: 'train', epoch: 'train_epoch', evaluation: line.split, end: undefined }[line.kind];
  if (!group) return [];
  const { iteration: step, time } = line;
  return numbersIn(line).map(([name, value]) => ({ tag: `${group}/${name}`, value, step, time }));
}
