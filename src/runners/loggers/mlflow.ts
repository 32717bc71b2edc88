import { userInfo } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { ConfigError, RunInterrupted } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import { registry } from '../../common/registry.js';
import { counted } from '../../common/words.js';
import { key, section, types } from '../../config/index.js';
import type { Run, RunHook } from '../hooks.js';
import { type MetricsLine, readMetrics } from '../metrics_log.js';
import { settingsIn } from '../run_record_hook.js';
import { MlflowClient, type MlflowStatus, withoutPassword } from './mlflow_client.js';
import { MlflowRun } from './mlflow_run.js';

const options = section({
  tracking_uri: key(types.text, undefined, 'The tracking server; MLFLOW_TRACKING_URI when absent.'),
  experiment: key(
    types.text,
    undefined,
    'Made where it is not there; MLFLOW_EXPERIMENT_NAME, or else Default.',
  ),
  run_name: key(types.text, undefined, "The run's name there; its output folder and its own when absent."),
  tags: key(z.record(z.string(), types.words), {}, 'Tags of the run.'),
});

/**
 * Tells an MLflow tracking server of the run: configuration as parameters, numbers as metrics at their steps, and how it
 * ended. It never keeps training waiting, nor ends it: a server that is down gets what it missed once it is there
 * again, or when the run is resumed. A resumed run is the same run there too.
 */
@registry.registerHook('mlflow')
export class MlflowHook implements RunHook {
  static readonly optionsSchema = options;
  static readonly inDryRun = false;
  readonly #options: z.output<typeof options>;
  readonly #client: MlflowClient;
  #run?: MlflowRun;

  /** @throws ConfigError where nothing says which server */
  constructor(given: z.output<typeof options>) {
    this.#options = given;
    const uri = given.tracking_uri ?? process.env.MLFLOW_TRACKING_URI;
    if (uri === undefined) {
      throw new ConfigError('the hook mlflow does not know which server to tell', {
        where: 'run.hooks',
        allowed: 'MLFLOW_TRACKING_URI in the environment, or {mlflow: {tracking_uri: http://host:5000}}',
      });
    }
    this.#client = new MlflowClient(uri);
  }

  async beforeTraining(run: Run): Promise<void> {
    if (run.comm.rank === 0) await this.#open(run);
  }

  async afterMetrics(run: Run, line: MetricsLine): Promise<void> {
    if (this.#run) this.#run.add(line);
    else await this.#open(run); // an evaluation alone: the line is in the file
  }

  async afterRun(run: Run): Promise<void> {
    if (run.comm.rank === 0) await this.#close(run, 'FINISHED');
  }

  async afterFailure(run: Run, error: unknown): Promise<void> {
    if (run.comm.rank === 0) await this.#close(run, error instanceof RunInterrupted ? 'KILLED' : 'FAILED');
  }

  async #open(run: Run): Promise<void> {
    const { path } = run.folder;
    const { experiment, run_name, tags } = this.#options;
    const opened = await MlflowRun.open(this.#client, join(path, 'mlflow.json'), {
      experiment: experiment ?? process.env.MLFLOW_EXPERIMENT_NAME ?? 'Default',
      runId: process.env.MLFLOW_RUN_ID,
      name: run_name ?? `${basename(dirname(path))}/${basename(path)}`,
      params: paramsOf(run),
      tags: { ...tagsOf(run), ...tags },
    });
    for (const line of await readMetrics(path)) opened.add(line);
    this.#run = opened;
  }

  async #close(run: Run, status: MlflowStatus): Promise<void> {
    if (!this.#run) return; // it ended before it began
    await this.#run.close(status);
    const { left } = this.#run;
    if (left > 0) {
      log.warn(
        `${counted(left, 'line')} of metrics.jsonl did not reach MLflow; the same command with ` +
          `--resume --job-id ${basename(run.folder.path)} sends them`,
      );
    }
  }
}

/** The configuration, a parameter for each value. */
const paramsOf = ({ config }: Run) =>
  settingsIn(config).map(({ key, value }) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return { key, value: withoutPassword(text) };
  });

function tagsOf(run: Run): Record<string, string> {
  return {
    'mlflow.source.name': 'lavis',
    'mlflow.source.type': 'LOCAL',
    ...userTag(),
    'lavis.folder': run.folder.path,
    'lavis.task': String(run.settings.task ?? ''),
    'lavis.engine': run.engine ?? '',
    'lavis.workers': String(run.comm.worldSize),
  };
}

function userTag(): Record<string, string> {
  try {
    return { 'mlflow.user': userInfo().username };
  } catch {
    return {}; // a container whose user has no name
  }
}
