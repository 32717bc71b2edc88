import type { Config } from '../common/config.js';
import { DataError, EngineError, LavisError } from '../common/errors.js';
import { log } from '../common/logging.js';
import { registry } from '../common/registry.js';
import { setupEngine } from '../engine/index.js';
import {
  type BaseRunner,
  type DatasetsBySplit,
  type RunHook,
  type RunnableModel,
  runSettings,
} from '../runners/index.js';
import {
  type BaseTask,
  buildDataset,
  buildModel,
  datasetNames,
  setupTask,
  usedSplits,
} from '../tasks/index.js';

export interface RunParts {
  hooks?: RunHook[];
  config: Config;
  task: BaseTask;
  model: RunnableModel;
  datasets: DatasetsBySplit;
}

/**
 * Makes everything a run needs before its first step: names and numbers are checked, then annotations,
 * images, vocabulary and weights, and all that is missing is told in one message.
 * @throws LavisError
 */
export async function prepareRun(config: Config, { device, training }: PrepareOptions): Promise<RunParts> {
  const settings = runSettings(config);
  const task = setupTask(config);
  registry.getRunnerClass(settings.runner);
  registry.getLrSchedulerClass(settings.lrSched);
  registry.getModelClass(String(config.model.arch));
  const names = datasetNames(config);
  for (const name of names) registry.getBuilderClass(name);

  await chooseEngine(config, device);
  const splits = usedSplits(config, { training });
  const failures: LavisError[] = [];
  const datasets: DatasetsBySplit = {};
  for (const name of names) {
    datasets[name] = (await attempt(failures, () => buildDataset(config, name, splits))) ?? {};
  }
  const model = await attempt(failures, () => buildModel(config));
  if (failures.length > 0) throw together(failures);
  return { config, task, model: model as RunnableModel, datasets };
}

interface PrepareOptions {
  device?: string;
  training: boolean;
}

/** The runner that `run.runner` names. */
export function makeRunner(parts: RunParts, jobId?: string): BaseRunner {
  const Runner = registry.getRunnerClass(runSettings(parts.config).runner);
  return new Runner({ ...parts, jobId });
}

/**
 * The engine of a run. LAVIS's YAMLs say cuda by habit: where only the file asks for a device that is not
 * there, the best that is there is taken.
 */
export async function chooseEngine(config: Config, asked?: string): Promise<void> {
  const wanted = asked ?? String(config.run.device ?? 'auto');
  const insists = asked !== undefined || config.originOf('run.device')?.kind === 'option';
  try {
    log.info((await setupEngine({ device: wanted })).description);
  } catch (thrown) {
    if (insists || !(thrown instanceof EngineError)) throw thrown;
    const { description } = await setupEngine({ device: 'auto' });
    log.warn(
      `run.device is ${wanted}, which is not there (--device ${wanted} says why); instead: ${description}`,
    );
  }
}

async function attempt<T>(failures: LavisError[], make: () => Promise<T>): Promise<T | undefined> {
  try {
    return await make();
  } catch (thrown) {
    if (!(thrown instanceof LavisError)) throw thrown;
    failures.push(thrown);
    return undefined;
  }
}

function together(failures: LavisError[]): LavisError {
  if (failures.length === 1) return failures[0];
  const list = failures.map(({ message }, i) => `${i + 1}. ${message.replaceAll('\n', '\n   ')}`);
  return new DataError(`${failures.length} things are needed before the run can start:\n${list.join('\n')}`);
}
