import { rm, rmdir, stat, statfs } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { CheckpointError, TrainingError } from '../common/errors.js';
import { makeFolder, makeFolderInside } from '../common/files.js';
import { log } from '../common/logging.js';
import { expandHome } from '../common/paths.js';
import { formatBytes } from '../common/words.js';
import type { Config } from '../config/index.js';
import { DataLoader, type Dataset, Subset, batchSize as sizeOfBatch } from '../datasets/index.js';
import { readWorld, SingleCommunicator } from '../distributed/index.js';
import { tf } from '../engine/index.js';
import type { Model } from '../models/index.js';
import {
  type BaseRunner,
  evaluated,
  hooksOfDryRun,
  type Run,
  type RunHook,
  type RunSettings,
  restoreWeights,
  type StepEvent,
  splitLosses,
  trainingForm,
  wantsLoss,
} from '../runners/index.js';
import { adviceOf, estimateMemory, type MemoryEstimate } from './memory_estimate.js';
import { checkRun, makeRunner, type PreparedRun, prepareRun } from './prepare_run.js';
import { type DryRunFacts, dryRunReport, type Evaluations, type Losses } from './report_dry_run.js';

/** The first step makes what later ones find ready; the second tells how long a step takes. */
const STEPS = 2;

/**
 * A run in small: everything is built as for training, two steps are taken, a checkpoint is written into a
 * scratch folder of `output_dir` and read again, and a batch is evaluated. Prints what the run will take.
 */
export async function dryRun(asked: Config, device?: string): Promise<void> {
  const { settings } = checkRun(asked);
  const { outputDir, accumGradIters } = settings;
  const place = resolve(expandHome(outputDir));
  // Only rank 0 writes: the others may be ended while they wait for it, and would leave their folders behind.
  const writes = readWorld().rank === 0;
  const setting = '--options run.output_dir=FOLDER';
  const made = writes && makeFolder(place, setting);
  const scratch = writes ? makeFolderInside(place, 'dry-run-', setting) : join(place, 'dry-run');
  try {
    const small = { output_dir: scratch, accum_grad_iters: Math.min(accumGradIters, STEPS) };
    const config = asked.with({ run: small }, '--dry-run');
    const prepared = await prepareRun(config, { device, training: true });
    const facts = await tryOut(prepared, asked, settings);
    if (prepared.comm?.rank === 0) console.log(dryRunReport({ ...facts, free: await freeBytes(place) }));
    await prepared.comm?.close();
  } finally {
    if (writes) await rm(scratch, { recursive: true, force: true });
    if (made) await rmdir(place).catch(() => {});
  }
}

/** @param settings of the whole run, as it was asked for */
async function tryOut(
  prepared: PreparedRun,
  asked: Config,
  settings: RunSettings,
): Promise<Omit<DryRunFacts, 'free'>> {
  const { model, comm } = prepared;
  const estimate = estimateMemory(model, settings);
  const limit = memoryLimit();
  warnAhead(estimate, limit, asked);
  const trial = new Trial();
  const hooks = hooksOfDryRun(prepared.settings.hooks);
  const small = { ...prepared, settings: { ...prepared.settings, hooks }, remembering: undefined };
  const runner = await makeRunner({ ...small, hooks: [trial] }, 'dry-run');
  log.info(
    'A dry run: some steps, a checkpoint and a batch of an evaluation are tried in a folder that goes again',
  );
  try {
    await runner.train();
  } catch (thrown) {
    if (thrown !== trial.done) throw thrown;
  }
  const peak = process.resourceUsage().maxRSS * 1024;
  if (comm?.rank === 0) await readAgain(trial.checkpoint!, model);
  const remembered = await prepared.remembering?.tryOut(model, runner.comm);
  const evaluation = prepared.task.evaluates ? await evaluateBatch(prepared, runner) : undefined;
  const loss = wantsLoss(runner.settings) ? await lossOfBatch(prepared, runner) : undefined;
  return {
    ...trial.facts!,
    settings,
    parameters: elementCount(model.stateDict().values()),
    trained: elementCount(model.namedParameters().values()),
    estimate,
    peak,
    limit,
    advice: adviceOf(asked, peak, limit),
    evaluation,
    remembered,
    loss,
    engine: prepared.engine,
    worldSize: comm?.worldSize ?? 1,
  };
}

/** Ends the run after a few steps, with a checkpoint. */
class Trial implements RunHook {
  readonly done = new TrainingError('the dry run is done');
  checkpoint?: string;
  facts?: Pick<DryRunFacts, 'secondsPerStep' | 'losses' | 'steps' | 'rounds' | 'checkpointBytes' | 'unit'>;
  #count = 0;

  async afterStep(run: Run, step: StepEvent): Promise<void> {
    if (++this.#count < STEPS && run.state.step < run.stepsOf(0)) return;
    this.checkpoint = await run.save('dry');
    const written = run.comm.rank === 0 ? await stat(this.checkpoint) : undefined;
    const steps = Array.from({ length: run.rounds }, (_, round) => run.stepsOf(round));
    this.facts = {
      secondsPerStep: step.seconds,
      losses: step.losses,
      steps: steps.reduce((sum, count) => sum + count, 0),
      rounds: run.rounds,
      unit: run.unit,
      checkpointBytes: written?.size ?? 0,
    };
    throw this.done;
  }
}

/** @throws CheckpointError when other weights come back than were written. */
async function readAgain(path: string, model: Model): Promise<void> {
  const before = fingerprint(model);
  await restoreWeights(path, model);
  if (before === fingerprint(model)) return;
  throw new CheckpointError('the checkpoint holds other weights than were written', { where: dirname(path) });
}

const fingerprint = (model: Model) =>
  tf.tidy(() => [...model.namedParameters().values()].map((v) => tf.sum(tf.square(v)).dataSync()[0]).join());

/** Evaluates one batch, and tells how many there are in the run. */
async function evaluateBatch(
  { datasets, task, model, comm }: PreparedRun,
  { settings }: BaseRunner,
): Promise<Evaluations | undefined> {
  const { validSplits, testSplits, batchSizeEval: batchSize, numWorkers, seed } = settings;
  const sharing = settings.useDistEvalSampler ? (comm?.worldSize ?? 1) : 1;
  const sets = (splits: readonly string[]) =>
    splits.flatMap((split) =>
      Object.values(datasets).flatMap((dataset) => dataset[split] ?? []),
    ) as Dataset[];
  const [split] = [...validSplits, ...testSplits].filter((name) => sets([name]).length > 0);
  if (split === undefined) return undefined;
  const [whole] = sets([split]);
  const dataset = whole.head?.(batchSize) ?? whole;
  const loader = new DataLoader({ dataset, batchSize, numWorkers, seed });
  const batches = (splits: readonly string[]) =>
    sets(splits).reduce((sum, set) => sum + Math.ceil(set.length / sharing / batchSize), 0);
  model.eval();
  try {
    const batch = await firstOf(loader.epoch(0));
    const start = performance.now();
    const results = await task.evaluation(model, {
      dataset,
      batches: once(batch),
      comm: new SingleCommunicator(), // each rank tries its own
    });
    const seconds = (performance.now() - start) / 1000;
    const [first] = (await task.show(results, { split, dataset })).samples;
    const counts = { valid: batches(validSplits), test: batches(testSplits) };
    return { seconds, samples: sizeOfBatch(batch), first, ...counts };
  } finally {
    await loader.close();
  }
}

/** The loss of one batch of the first valid split, and how many there are in an evaluation. */
async function lossOfBatch(
  { datasets, task, model }: PreparedRun,
  { settings }: BaseRunner,
): Promise<Losses> {
  const { validSplits, batchSizeTrain: batchSize, numWorkers, seed } = settings;
  const forms = validSplits.map((split) => trainingForm(evaluated(datasets, split)));
  const some = Array.from({ length: Math.min(batchSize, forms[0].length) }, (_, i) => i);
  const start = performance.now();
  const { loss } = await splitLosses({
    ...{ split: validSplits[0], task, model, batchSize },
    dataset: new Subset(forms[0], some),
    loading: { numWorkers, seed },
    comm: new SingleCommunicator(), // each rank tries its own
  });
  const seconds = (performance.now() - start) / 1000;
  const batches = forms.reduce((sum, { length }) => sum + Math.ceil(length / batchSize), 0);
  return { loss, seconds, samples: some.length, batches };
}

async function firstOf<T>(items: AsyncIterable<T>): Promise<T> {
  for await (const item of items) return item;
  throw new RangeError('a loader without a batch');
}

async function* once<T>(item: T): AsyncGenerator<T> {
  yield item;
}

/** Before the step: a process that is ended for its memory says nothing any more. */
function warnAhead(estimate: MemoryEstimate | undefined, limit: number, asked: Config): void {
  if (!estimate || estimate.total < 0.9 * limit) return;
  const advice = adviceOf(asked, estimate.total, limit).map((line) => `\n  ${line}`);
  const size = `${formatBytes(estimate.total)} of ${formatBytes(limit)}`;
  log.warn(`a step needs about ${size} memory; if it is ended for that:${advice.join('')}`);
}

/** What this process may take: the machine's memory, or less where it is limited. */
function memoryLimit(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

const elementCount = (tensors: Iterable<tf.Tensor>) =>
  [...new Set(tensors)].reduce((sum, tensor) => sum + tensor.size, 0);
