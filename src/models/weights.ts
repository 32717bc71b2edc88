import { existsSync } from 'node:fs';
import { type Checkpoint, openCheckpoint, type TensorRef } from '../checkpoint/index.js';
import { CheckpointError } from '../common/errors.js';
import { log } from '../common/logging.js';
import { resolveFile } from '../common/paths.js';
import type { tf } from '../engine/index.js';
import { ensureFile, weightsCachePath } from '../fetch/index.js';
import { assignValues, firstFew, type LoadReport, type Module, matchNames, sameShape } from '../nn/index.js';
import { interpolatePosEmbed } from './pos_embed.js';

/** What loading weights did. */
export interface WeightsReport extends LoadReport {
  /** Tensors of the checkpoint whose shape is not the model's; they are missing too. */
  dropped: string[];
}

export interface LoadOptions {
  /** Names the architecture in messages. */
  arch: string;
  /** The option that points to another file. */
  option: string;
  /** Leave out tensors of another shape instead of refusing the checkpoint. */
  dropMismatched: boolean;
}

/** A checkpoint's tensors by name. */
export type StateRefs = Map<string, TensorRef>;

/** What weights are loaded into; a `BaseModel` is one. */
export interface LoadableModel extends Module {
  mapCheckpoint(state: StateRefs): StateRefs;
}

const isPosEmbed = (name: string) => /^visual_encoder(_m)?\.pos_embed$/.test(name);

/**
 * Copies a checkpoint's weights into a model, one tensor at a time; position embeddings are interpolated to
 * the model's image size.
 * @param place a path or a URL, which is downloaded once into the cache
 * @throws CheckpointError when it is no checkpoint, or one of another architecture
 * @throws DataError when it cannot be had: the message names the URL, the cache path and the option
 */
export async function loadWeights(
  model: LoadableModel,
  place: string,
  options: LoadOptions,
): Promise<WeightsReport> {
  const path = await locateWeights(place, options.option);
  const checkpoint = await openCheckpoint(path);
  try {
    return await copyWeights(model, checkpoint, options);
  } finally {
    await checkpoint.close();
  }
}

async function copyWeights(
  model: LoadableModel,
  checkpoint: Checkpoint,
  options: LoadOptions,
): Promise<WeightsReport> {
  const own = model.stateDict();
  const given = model.mapCheckpoint(checkpoint.stateDict());
  const { missing, unexpected } = matchNames(own, given);
  const fits = (name: string) => {
    const [wanted, found] = [own.get(name)!.shape, given.get(name)!.shape];
    return sameShape(wanted, isPosEmbed(name) && found.length === 3 ? found.with(1, wanted[1]!) : found);
  };
  const shared = [...own.keys()].filter((name) => given.has(name));
  const dropped = shared.filter((name) => !fits(name));
  const taken = shared.filter(fits);
  // What belongs to a run and not to the architecture, such as a queue of another size, stays the model's own.
  const buffers = model.namedBuffers();
  const foreign = dropped.some((name) => !buffers.has(name)) || lacksPart(model, taken);
  if (taken.length === 0 || (!options.dropMismatched && foreign)) {
    throw anotherArchitecture(checkpoint, own, given, { missing, unexpected, dropped }, options);
  }
  const done = new Set<tf.Variable>();
  for (const name of taken) {
    const variable = own.get(name)!;
    if (done.has(variable)) continue; // the second name of a tied tensor
    done.add(variable);
    assignValues(variable, await valueFor(name, variable, given.get(name)!));
  }
  const absent = new Set([...missing, ...dropped]);
  const report = { missing: [...own.keys()].filter((name) => absent.has(name)), unexpected, dropped };
  logReport(checkpoint.path, taken.length, report);
  return report;
}

/** Whether the checkpoint has nothing for one of the model's trained parts, such as text_decoder. */
function lacksPart(model: Module, taken: readonly string[]): boolean {
  const part = (name: string) => name.split('.')[0];
  const found = new Set(taken.map(part));
  return [...model.namedParameters().keys()].some((name) => name.includes('.') && !found.has(part(name)));
}

async function valueFor(name: string, variable: tf.Variable, ref: TensorRef) {
  const value = await ref.read();
  return isPosEmbed(name) ? interpolatePosEmbed(value, variable.shape[1]!) : value;
}

/**
 * The file of a path, or of a URL: downloaded into the cache where it is not there yet.
 * @throws CheckpointError for a path that is not there; DataError when a URL's file cannot be had: the
 * message names the URL, the cache path and the option
 */
export async function locateWeights(place: string, option: string): Promise<string> {
  if (!/^https?:\/\//.test(place)) {
    const file = resolveFile(place);
    if (existsSync(file)) return file;
    throw new CheckpointError('the checkpoint is not there', { where: file, help: option });
  }
  const path = weightsCachePath(place);
  await ensureFile({ url: place, path, what: 'the weights', option });
  return path;
}

function anotherArchitecture(
  { path }: Checkpoint,
  own: Map<string, tf.Variable>,
  given: Map<string, TensorRef>,
  { missing, dropped }: WeightsReport,
  { arch, option }: LoadOptions,
): CheckpointError {
  const shapes = dropped
    .slice(0, 3)
    .map((name) => `${name} is [${given.get(name)!.shape}], the model's is [${own.get(name)!.shape}]`);
  const found = [
    `${own.size - missing.length - dropped.length} of the model's ${own.size} tensors`,
    ...(dropped.length ? shapes : [`names like ${firstFew([...given.keys()], 3)}`]),
  ];
  return new CheckpointError(`the checkpoint is of another architecture or size than this ${arch}`, {
    where: path,
    found: found.join('\n'),
    allowed: `the names and shapes of ${arch}, such as ${firstFew([...own.keys()], 2)}`,
    help: `choose the model_type that the checkpoint was made with, or another file: ${option}`,
  });
}

function logReport(path: string, taken: number, { missing, unexpected, dropped }: WeightsReport): void {
  log.info(`loaded ${taken} tensors from ${path}`);
  const wrongShape = new Set(dropped);
  const absent = missing.filter((name) => !wrongShape.has(name));
  if (absent.length) log.warn(`${absent.length} tensors are not in the checkpoint: ${firstFew(absent)}`);
  if (dropped.length)
    log.warn(`${dropped.length} tensors have another shape and were left out: ${firstFew(dropped)}`);
  if (unexpected.length)
    log.warn(`${unexpected.length} tensors of the checkpoint have no use here: ${firstFew(unexpected)}`);
}
