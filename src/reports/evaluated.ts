import { basename, join } from 'node:path';
import { type MetricsLine, shownFile } from '../runners/index.js';
import type { ShownSample, ShownSamples } from '../tasks/index.js';
import { lastEvaluations, type RunData, readJson } from './read_run.js';

/** The samples of one evaluation, worst first. */
export interface EvaluatedTable {
  split: string;
  label: number | string;
  /** What the samples' score is called; absent where nothing was scored. */
  score?: string;
  samples: ShownSample[];
  /** How many were evaluated. */
  total: number;
}

/** The last evaluation of each split, newest first. @param limit samples of each at most */
export async function evaluatedTables(run: RunData, limit: number): Promise<EvaluatedTable[]> {
  const tables = await Promise.all(
    lastEvaluations(run.lines).map(async (line) => {
      const { score, samples } = await readShown(run, line);
      const sorted = [...samples].sort((a, b) => (a.score ?? 0) - (b.score ?? 0));
      return {
        split: line.split!,
        label: labelOf(line),
        score,
        samples: sorted.slice(0, limit),
        total: samples.length,
      };
    }),
  );
  return tables.filter(({ total }) => total > 0).reverse();
}

/** What an evaluation showed; of a run of LAVIS, or of an older version, what its result file tells. */
export async function readShown({ folder }: RunData, line: MetricsLine): Promise<ShownSamples> {
  const name = `${line.split}_epoch${labelOf(line)}`;
  const shown = (await readJson(shownFile(folder, basename(name)))) as ShownSamples | undefined;
  if (Array.isArray(shown?.samples)) return shown;
  const results = await readJson(join(folder, 'result', `${basename(name)}.json`));
  return { samples: Array.isArray(results) ? results.flatMap(sampleOf) : [] };
}

const labelOf = ({ label, epoch }: MetricsLine) => label ?? epoch;

/** An entry of a result file: an id, and what was said. */
function sampleOf(entry: Record<string, unknown> | null): ShownSample[] {
  const id = entry?.image_id ?? entry?.question_id ?? entry?.instance_id;
  const said = entry?.caption ?? entry?.answer ?? entry?.pred_ans ?? entry?.prediction;
  if (id === undefined || said === undefined) return [];
  const { log_probability: logProbability } = entry ?? {};
  return [
    {
      id: id as number | string,
      files: [],
      said: String(said),
      references: [],
      ...(typeof logProbability === 'number' ? { logProbability } : {}),
    },
  ];
}

/** The score that a run is judged by. */
export function primaryMetric({ record, lines }: Pick<RunData, 'record' | 'lines'>): string {
  if (record?.metrics) return record.metrics.primary;
  return lines.some(({ CIDEr }) => CIDEr !== undefined) ? 'CIDEr' : 'agg_metrics';
}

/** The scores that are drawn beside it: those that the task names, or that there are. */
export function otherMetrics(run: Pick<RunData, 'record' | 'lines'>): readonly string[] {
  if (run.record?.metrics) return run.record.metrics.shown;
  const evaluation = run.lines.findLast(({ kind }) => kind === 'evaluation') ?? {};
  const known = ['kind', 'epoch', 'iteration', 'time', 'step', 'split', 'label', 'best', primaryMetric(run)];
  return Object.entries(evaluation)
    .filter(([name, value]) => typeof value === 'number' && !known.includes(name))
    .map(([name]) => name);
}
