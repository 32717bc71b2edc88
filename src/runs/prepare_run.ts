import { ConfigError, DataError, EngineError, LavisError } from '../common/errors.js';
import { configureLogging, log } from '../common/logging.js';
import { registry } from '../common/registry.js';
import { localWorldSize } from '../common/world.js';
import { type Config, launchSchema } from '../config/index.js';
import {
  type Communicator,
  initCommunicator,
  onRankZero,
  SingleCommunicator,
  warnTogether,
} from '../distributed/index.js';
import { hasFloat16, setupEngine } from '../engine/index.js';
import {
  type BaseRunner,
  checkMonitor,
  type RunnerOptions,
  type RunSettings,
  runSettings,
  wantsLoss,
} from '../runners/index.js';
import {
  type BaseTask,
  buildDataset,
  buildModel,
  checkData,
  datasetNames,
  setupTask,
  usedSplits,
} from '../tasks/index.js';
import { abandonJob, claimJob, findJob, type Job } from './job.js';
import { RememberImages } from './remember/remember_images.js';

const FLOAT16 = 'products and what the backward pass keeps are float16, sums and weights float32';
const FLOAT32 = 'this engine has no float16, float32 is used';

export interface PrepareOptions {
  /** As --device says; `run.device` by default. */
  device?: string;
  /** Whether the train and valid splits are needed too. */
  training: boolean;
  /** The workers, where they have met already. */
  comm?: Communicator;
}

/** All that a runner takes but its folder. */
export interface PreparedRun extends Omit<RunnerOptions, 'folder'> {
  /** Of a run with `run.cache_image_embeds`; a hook before the others. */
  remembering?: RememberImages;
}

/**
 * Makes everything a run needs before its first step: names and numbers are checked, then annotations,
 * images, vocabulary and weights, and all that is missing is told in one message.
 * @throws LavisError
 */
export async function prepareRun(config: Config, options: PrepareOptions): Promise<PreparedRun> {
  const { settings, task } = checkRun(config);
  const comm = options.comm ?? (await joinRun(config));
  const warnings: string[] = [];
  const engine = await chooseEngine(config, options.device, (message) => warnings.push(message));
  await warnTogether(comm, warnings);
  if (settings.amp && options.training) log.info(`run.amp: ${hasFloat16() ? FLOAT16 : FLOAT32}`);
  let parts: BuiltParts | undefined;
  // Rank 0 goes first: it downloads and draws, and the others find everything there.
  await onRankZero(comm, 'prepares data and weights', async () => {
    parts = await build(config, options);
    await checkData({ ...settings, task, datasets: parts.datasets, evaluated: evaluatedSplits(settings) });
    if (options.training && !settings.evaluate) await checkMonitor(task, settings, parts.datasets);
    return true;
  });
  const { model, datasets } = parts ?? (await build(config, options));
  const remembering = settings.cacheImageEmbeds
    ? new RememberImages(model, datasets, settings, options.training)
    : undefined;
  return { config, settings, task, comm, engine, model, datasets, remembering };
}

/** `findJob` on rank 0, told to all: the others may see another state of the file system, or see it later. */
export const agreeOnJob = (comm: Communicator, ...asked: Parameters<typeof findJob>): Promise<Job> =>
  onRankZero(comm, "finds the run's folder", () => findJob(...asked));

/** What of a run can be checked before anything is made or met. @throws ConfigError */
export function checkRun(config: Config): { settings: RunSettings; task: BaseTask } {
  const given = runSettings(config);
  const task = setupTask(config);
  const settings = settingsFor(task, given);
  registry.getRunnerClass(settings.runner);
  registry.getLrSchedulerClass(settings.lrSched);
  registry.getModelClass(String(config.model.arch));
  for (const name of datasetNames(config)) registry.getBuilderClass(name);
  return { settings, task };
}

/** A task that evaluates nothing leaves evaluation splits alone: every round has a checkpoint then, as without them. */
function settingsFor({ evaluates }: BaseTask, settings: RunSettings): RunSettings {
  if (evaluates) return settings;
  const { task, evaluate, validSplits, testSplits } = settings;
  if (evaluate) {
    throw new ConfigError(`the task ${task} evaluates nothing`, {
      where: 'run.evaluate',
      help: 'lavis train trains it; the tasks that start from its weights evaluate what was learned',
    });
  }
  if (wantsLoss(settings)) {
    const monitor = settings.monitor === 'agg_metrics' ? 'val_loss' : settings.monitor;
    return { ...settings, monitor, testSplits: [] };
  }
  const splits = [...new Set([...validSplits, ...testSplits])];
  if (splits.length > 0) {
    log.warnOnce(
      `the task ${task} evaluates nothing: ${splits.join(', ')} is passed over, and every epoch has a checkpoint ` +
        '(run.val_loss=True measures the loss of valid splits)',
    );
  }
  return { ...settings, validSplits: [], testSplits: [] };
}

/**
 * The runner that `run.runner` names, with the run's folder, which rank 0 makes.
 * @param job as `findJob` has it, or the folder's name under `run.output_dir`
 * @throws ConfigError when the folder is another run's
 */
export async function makeRunner(options: PreparedRun, job: Job | string): Promise<BaseRunner> {
  const { config, comm = new SingleCommunicator(), remembering } = options;
  const Runner = registry.getRunnerClass(options.settings.runner);
  const folder = await onRankZero(comm, "makes the run's folder", async () =>
    claimJob(typeof job === 'string' ? await findJob(config, { jobId: job }) : job),
  );
  try {
    return new Runner({ ...options, folder, hooks: [remembering ?? [], options.hooks ?? []].flat() });
  } catch (thrown) {
    if (comm.rank === 0) abandonJob(folder);
    throw thrown;
  }
}

/**
 * Meets the other workers, where the environment says that there are some.
 * @throws ConfigError for what `checkRun` finds; DistributedError when the workers do not meet
 */
export async function joinRun(config: Config): Promise<Communicator> {
  const { distributed, distBackend, distTimeout: timeoutSeconds } = checkRun(config).settings;
  if (!distributed) return new SingleCommunicator();
  const backend = distBackend === 'local' || distBackend === 'mpi' ? distBackend : 'auto';
  const comm = await initCommunicator(process.env, { backend, timeoutSeconds });
  if (comm.rank > 0) configureLogging({ quiet: true });
  return comm;
}

/**
 * The engine of a run. LAVIS's YAMLs say cuda by habit: where only the file asks for a device that is not
 * there, the best that is there is taken.
 * @returns its description
 */
export async function chooseEngine(config: Config, asked?: string, warn = log.warn): Promise<string> {
  const keys = launchSchema.pick({ threads: true, device: true, gpu: true });
  const { threads, ...said } = config.read('run', keys);
  const wanted = wantedDevice(said, asked, warn);
  const insists = asked !== undefined || config.originOf('run.device')?.kind === 'option';
  try {
    const { description } = await setupEngine({ device: wanted, threads });
    log.info(description);
    return description;
  } catch (thrown) {
    if (insists || !(thrown instanceof EngineError)) throw thrown;
    const { description } = await setupEngine({ device: 'auto', threads });
    warn(
      `run.device is ${wanted}, which is not there (--device ${wanted} says why); instead: ${description}`,
    );
    return description;
  }
}

/** The device by its name in the configuration; the workers of a machine share its GPUs out, whatever `run.gpu` says. */
function wantedDevice(
  { device, gpu }: { device: string; gpu?: number },
  asked: string | undefined,
  warn = log.warn,
): string {
  const workers = localWorldSize(process.env);
  if (asked === undefined && gpu !== undefined && /^(cuda|webgpu)$/.test(device)) {
    if (workers === 1) return `${device}:${gpu}`;
    warn(`run.gpu is ${gpu}, one GPU for the ${workers} workers of a machine: each takes its own instead`);
  }
  return asked ?? device;
}

const evaluatedSplits = ({ evaluate, validSplits, testSplits }: RunSettings) => [
  ...new Set(evaluate ? testSplits : [...validSplits, ...testSplits]),
];

type BuiltParts = Pick<RunnerOptions, 'datasets' | 'model'>;

async function build(config: Config, { training }: PrepareOptions): Promise<BuiltParts> {
  const splits = usedSplits(config, { training });
  const failures: LavisError[] = [];
  const datasets: BuiltParts['datasets'] = {};
  for (const name of datasetNames(config)) {
    datasets[name] = (await attempt(failures, () => buildDataset(config, name, splits))) ?? {};
  }
  const model = await attempt(failures, () => buildModel(config, { training }));
  if (failures.length > 0 || !model) throw joinFailures(failures);
  for (const [name, bySplit] of Object.entries(datasets)) {
    const sizes = Object.entries(bySplit).map(
      ([split, set]) => `${split} ${set && 'length' in set ? set.length : 'stream'}`,
    );
    log.info(`${name}: ${sizes.join(', ')}`);
  }
  return { datasets, model };
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

function joinFailures(failures: LavisError[]): LavisError {
  if (failures.length === 1) return failures[0];
  const list = failures.map(({ message }, i) => `${i + 1}. ${message.replaceAll('\n', '\n   ')}`);
  return new DataError(`${failures.length} things are needed before the run can start:\n${list.join('\n')}`);
}
