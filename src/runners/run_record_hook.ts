import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { writeFileAtomic } from '../common/files.js';
import { version } from '../common/paths.js';
import { type Config, describeOrigin, leaves, type PlainValue, toPlain } from '../config/index.js';
import type { Run, RunHook } from './hooks.js';
import { writeOrWarn } from './run_folder.js';

/** run.json: what a report says of a run besides its numbers. */
export interface RunRecord {
  /** ISO 8601. */
  started: string;
  /** As it was typed. */
  command: string[];
  /** `true` where the run continues an earlier one. */
  resumed: boolean;
  /** Every value of the merged configuration, and where it was written. */
  config: { key: string; value: PlainValue; origin: string }[];
  /** Name -> value, in words. */
  environment: Record<string, string>;
  parameters: number;
  rounds?: number;
  unit: string;
  /** The scores that pages show: first and large, and beside it. Absent in records of older versions. */
  metrics?: { primary: string; shown: readonly string[] };
}

/** Writes run.json at the start. */
export class RunRecordHook implements RunHook {
  #written = false;

  async beforeTraining(run: Run): Promise<void> {
    await this.#write(run, run.rounds);
  }

  async afterEvaluation(run: Run): Promise<void> {
    await this.#write(run);
  }

  /** An evaluation that nothing scores has a report too. */
  async afterRun(run: Run): Promise<void> {
    await this.#write(run);
  }

  async #write(run: Run, rounds?: number): Promise<void> {
    if (this.#written || run.comm.rank !== 0) return;
    this.#written = true;
    const record = recordOf(run, rounds);
    await writeOrWarn(join(run.folder.path, 'run.json'), (path) =>
      writeFileAtomic(path, `${JSON.stringify(record, null, 1)}\n`),
    );
  }
}

/** Every value of a configuration, and where it was written. */
export const settingsIn = ({ tree }: Pick<Config, 'tree'>): RunRecord['config'] =>
  [...leaves(tree)].map(({ path, tree: value }) => ({
    key: path.join('.'),
    value: toPlain(value),
    origin: describeOrigin(value.origin),
  }));

function recordOf(run: Run, rounds?: number): RunRecord {
  let parameters = 0;
  for (const variable of run.model.namedParameters().values()) parameters += variable.size;
  return {
    started: new Date().toISOString(),
    command: ['lavis', ...process.argv.slice(2)],
    resumed: Boolean(run.settings.resumeCkptPath),
    config: settingsIn(run.config),
    environment: {
      lavis: version(),
      engine: run.engine ?? 'unknown',
      workers: String(run.comm.worldSize),
      node: process.version,
      system: `${process.platform} ${process.arch}`,
      processor: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${cpus().length} cores`,
      memory: `${(totalmem() / 1e9).toFixed(1)} GB`,
    },
    parameters,
    rounds,
    unit: run.unit,
    metrics: { primary: run.task.primaryMetric, shown: run.task.shownMetrics },
  };
}
