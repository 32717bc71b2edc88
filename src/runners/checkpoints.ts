import { existsSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  type CheckpointValue,
  dictMember,
  openCheckpoint,
  savedState,
  saveTorch,
  type TensorRef,
} from '../checkpoint/index.js';
import { CheckpointError, messageOf } from '../common/errors.js';
import { toFloat32 } from '../common/host_tensor.js';
import { log } from '../common/logging.js';
import type { PlainObject } from '../config/index.js';
import { tf } from '../engine/index.js';
import { fillMissing, loadWeights, type Model } from '../models/index.js';
import type { AdamW, GradScaler } from '../optim/index.js';
import type { Gradients } from './gradients.js';
import { parseState, type RunState, serializeState } from './state.js';

/** The key that ours have beyond LAVIS's: `torch.load` and LAVIS pass over it. */
const STATE_KEY = 'lavis_node';

export interface CheckpointParts {
  model: Model;
  optimizer: AdamW;
  /** Of a run under `amp`. */
  scaler?: GradScaler;
  config: PlainObject;
  /** `epoch` (the last one done) or `iters`, as LAVIS writes it. */
  position: { epoch: number } | { iters: number };
  state: RunState;
  accumulated: ReadonlyMap<string, tf.Tensor>;
}

/**
 * Writes the file that LAVIS's runner would write, and the run state in it; whole or not at all. Of a model that
 * is trained by an adapter it holds the adapter alone, which is written beside it for other libraries too.
 */
export async function writeCheckpoint(path: string, parts: CheckpointParts): Promise<void> {
  const { adapter } = parts.model;
  await adapter?.save(adapterFolder(path)); // first: where there is a checkpoint, there is its adapter
  await saveTorch(path, {
    model: savedState(adapter?.state() ?? parts.model.stateDict()),
    optimizer: parts.optimizer.stateDict(),
    config: parts.config as CheckpointValue,
    scaler: parts.scaler?.stateDict() ?? null,
    ...parts.position,
    [STATE_KEY]: {
      state: serializeState(parts.state),
      accumulated: savedState(parts.accumulated),
      adapter: await adapter?.facts(),
    },
  });
}

/** Where the adapter of a checkpoint lies: adapter_best for checkpoint_best.pth. */
const adapterFolder = (path: string): string =>
  join(dirname(path), basename(path).replace(/^checkpoint_(.*)\.pth$/, 'adapter_$1'));

/** Removes a checkpoint, and the adapter beside it. */
export async function removeCheckpoint(path: string): Promise<void> {
  await rm(path, { force: true });
  await rm(adapterFolder(path), { force: true, recursive: true });
}

/** What a checkpoint says of the run it belongs to. */
export interface RestoredRun {
  /** Absent in a checkpoint that PyTorch wrote. */
  state?: RunState;
  accumulated: Gradients;
  epoch?: number;
  iters?: number;
}

/** Loads weights and moments, and returns the rest. @throws CheckpointError when they do not fit. */
export async function readCheckpoint(
  path: string,
  model: Model,
  optimizer: AdamW,
  scaler?: GradScaler,
): Promise<RestoredRun> {
  const checkpoint = await openCheckpoint(path);
  try {
    const { root } = checkpoint;
    if (!dictMember(root, 'optimizer')) {
      throw new CheckpointError(
        'the checkpoint holds no optimizer state, so no run can be carried on from it',
        {
          where: path,
          help: 'to start from its weights: model.load_finetuned=True model.finetuned=PATH',
        },
      );
    }
    await refuseOtherBase(path, model, dictMember(dictMember(root, STATE_KEY), 'adapter'));
    await restoreWeights(path, model);
    await optimizer.loadStateDict(dictMember(root, 'optimizer'));
    scaler?.loadStateDict(dictMember(root, 'scaler'));
    const own = dictMember(root, STATE_KEY);
    const text = dictMember(own, 'state');
    return {
      state: typeof text === 'string' ? parseState(text, path) : undefined,
      accumulated: await tensorsOf(dictMember(own, 'accumulated')),
      epoch: numberOf(dictMember(root, 'epoch')),
      iters: numberOf(dictMember(root, 'iters')),
    };
  } finally {
    await checkpoint.close();
  }
}

/** @throws CheckpointError where an adapter goes on beside other weights, or as another one */
async function refuseOtherBase(path: string, { adapter }: Model, saved: unknown): Promise<void> {
  if (!adapter || saved === undefined || saved === null) return;
  const now = await adapter.facts();
  const differing = Object.keys(now).filter((name) => dictMember(saved, name) !== now[name]);
  if (differing.length === 0) return;
  throw new CheckpointError('the adapter of the checkpoint was trained otherwise', {
    where: path,
    found: differing.map((name) => `${name}: ${dictMember(saved, name)} then, ${now[name]} now`).join('\n'),
    help: 'give model.lora and the base weights as they were; or begin a new run with model.adapter=FOLDER',
  });
}

/**
 * Loads the weights alone, one tensor at a time.
 * @param anySize take those of another image size: position embeddings are interpolated
 * @throws CheckpointError when they do not fit the model or are not all there.
 */
export async function restoreWeights(path: string, model: Model, { anySize = false } = {}): Promise<void> {
  const elsewhere = '--checkpoint FILE, run.resume_ckpt_path=FILE';
  const { missing } = await loadWeights(model, path, {
    arch: model.constructor.name,
    option: anySize
      ? elsewhere
      : `${elsewhere}; from weights of another image size a run starts with model.load_finetuned=True model.finetuned=${path}`,
    mayLack: 'nothing',
    exactSize: !anySize,
    quiet: !anySize, // a run that goes on says so itself
  });
  fillMissing(model, missing); // LAVIS's own checkpoints leave out what is not trained
}

/**
 * The newest checkpoint under an output folder that is whole, and that a run can be carried on from.
 * @param preferred a name that goes before newer ones: 'best'
 */
export async function newestCheckpoint(outputDir: string, preferred?: string): Promise<string | undefined> {
  const found: { path: string; time: number }[] = [];
  const jobs = existsSync(outputDir) ? await readdir(outputDir, { withFileTypes: true }) : [];
  for (const folder of [
    outputDir,
    ...jobs.filter((job) => job.isDirectory()).map((job) => join(outputDir, job.name)),
  ]) {
    if (!existsSync(folder)) continue;
    for (const name of await readdir(folder)) {
      if (!/^checkpoint_.+\.pth$/.test(name)) continue;
      const path = join(folder, name);
      found.push({ path, time: (await stat(path)).mtimeMs });
    }
  }
  const first = (path: string) => (preferred && path.endsWith(`checkpoint_${preferred}.pth`) ? 1 : 0);
  found.sort((a, b) => first(b.path) - first(a.path) || b.time - a.time);
  for (const { path } of found) {
    try {
      const checkpoint = await openCheckpoint(path);
      const usable = dictMember(checkpoint.root, 'optimizer') !== undefined;
      await checkpoint.close();
      if (usable) return path;
    } catch (error) {
      log.warn(`${path} is passed over: ${messageOf(error).split('\n')[0]}`);
    }
  }
  return undefined;
}

/** Removes all but the newest `keep` checkpoints that are named by a number; the best and the latest stay. */
export async function removeOldCheckpoints(folder: string, keep: number): Promise<void> {
  const numbers = (await readdir(folder))
    .map((name) => /^checkpoint_(\d+)\.pth$/.exec(name)?.[1])
    .filter((number) => number !== undefined)
    .map(Number)
    .sort((a, b) => b - a);
  for (const number of numbers.slice(keep)) await removeCheckpoint(join(folder, `checkpoint_${number}.pth`));
}

async function tensorsOf(stored: unknown): Promise<Gradients> {
  const tensors: Gradients = new Map();
  const entries = stored instanceof Map ? [...stored] : Object.entries(stored ?? {});
  for (const [name, ref] of entries) {
    const tensor = await (ref as TensorRef).read();
    tensors.set(name, tf.tensor(toFloat32(tensor), [...tensor.shape], 'float32'));
  }
  return tensors;
}

const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
