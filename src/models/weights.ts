import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  type Checkpoint,
  indexOfShard,
  openCheckpoint,
  shardOf,
  type TensorRef,
} from '../checkpoint/index.js';
import { CheckpointError } from '../common/errors.js';
import { log } from '../common/logging.js';
import { resolveFile } from '../common/paths.js';
import type { tf } from '../engine/index.js';
import { ensureFile, weightsCachePath } from '../fetch/index.js';
import { assignValues, firstFew, type LoadReport, sameShape } from '../nn/index.js';
import { growRows, growsWith } from './grow_vocabulary.js';
import { type HuggingFaceConfig, readHuggingFaceConfig } from './hugging_face/config.js';
import { isHuggingFaceName } from './hugging_face/names.js';
import { looksLike, underModelNames, untied } from './match_weights.js';
import { interpolatePosEmbed } from './pos_embed.js';
import type { VocabularyGrowth } from './tokenizer/added_words.js';

/** What loading weights did. */
export interface WeightsReport extends LoadReport {
  /** Tensors of the checkpoint whose shape is not the model's; they are missing too. */
  dropped: string[];
  /** The checkpoint holds adapters without the weights that they belong to. */
  adapterAlone: boolean;
}

/** Whether names are those of adapters, among which there are no whole weights. */
export const holdsAdapters = (names: Iterable<string>): boolean =>
  [...names].some((name) => /\.lora_[AB]\./.test(name));

/** What a checkpoint may lack of a model. */
export type MayLack =
  /** Nothing but what needs no file: buffers, momentum copies, the second name of a tied weight. */
  | 'nothing'
  /** Also what the model says may start anew when it is trained; tensors of another shape are among that. */
  | 'what may start anew'
  /** Whatever it is, as LAVIS's load_from_pretrained; the report tells what. */
  | 'anything';

export interface LoadOptions {
  /** Names the architecture in messages. */
  arch: string;
  /** The option that points to another file. */
  option: string;
  mayLack: MayLack;
  /** Refuse position embeddings of another image size, where moments of an optimizer belong to them. */
  exactSize?: boolean;
  /** Say nothing of what was loaded: the caller does. */
  quiet?: boolean;
}

/** A checkpoint's tensors by name. */
export type StateRefs = Map<string, TensorRef>;

/** What weights are loaded into; a `BaseModel` is one, and every `Model` may be. */
export interface LoadableModel {
  stateDict(): Map<string, tf.Variable>;
  namedBuffers?(): Map<string, tf.Variable>;
  mapCheckpoint?(state: StateRefs): StateRefs;
  mayStartNew?(name: string): boolean;
  /** Words that were added to the vocabulary: a checkpoint without them is taken too. */
  readonly vocabularyGrowth?: VocabularyGrowth;
  /** Whether a checkpoint of these names is to have a weight: it may hold adapters alone, or their base. */
  expects?(name: string, given: ReadonlySet<string>): boolean;
  /** Unties a weight's second name, giving it its own values; false if that is impossible. */
  untie?(name: string): boolean;
  /**
   * Compares the model with the config.json beside Hugging Face's weights, in what their shapes do not show.
   * @throws CheckpointError where it is another model
   */
  checkForeignConfig?(config: HuggingFaceConfig, where: string): void;
}

const isPosEmbed = (name: string) => /^visual_encoder(_m)?\.pos_embed$/.test(name);
/** Momentum copies start from the weights that they follow. */
const isMomentumCopy = (name: string) => /^\w+_m\./.test(name);

/**
 * Copies a checkpoint's weights into a model, one tensor at a time; position embeddings are interpolated to
 * the model's image size. All is looked at before the first weight is changed.
 * @param place a path or a URL, which is downloaded once into the cache
 * @throws CheckpointError when it is not a checkpoint, lacks what it may not lack, or is of another architecture
 * @throws DataError when it cannot be downloaded: the message names the URL, the cache path and the option
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
  const names = new Set(own.keys());
  const renamed = underModelNames(checkpoint.stateDict(), names, checkpoint.path);
  const given = model.mapCheckpoint?.(renamed) ?? renamed;
  const fits = (name: string) => {
    const [wanted, found] = [own.get(name)!.shape, given.get(name)!.shape];
    if (sameShape(wanted, found)) return true;
    if (options.exactSize) return false;
    if (isPosEmbed(name) && found.length === 3) return sameShape(wanted, found.with(1, wanted[1]!));
    return growsWith(name, found, model.vocabularyGrowth) && sameShape(wanted, found.with(0, wanted[0]!));
  };
  const shared = [...own.keys()].filter((name) => given.has(name));
  const dropped = shared.filter((name) => !fits(name));
  const taken = shared.filter(fits);
  const loaded = new Set(taken.map((name) => own.get(name)));
  const givenNames = new Set(given.keys());
  const missing = [...own].filter(([, variable]) => !loaded.has(variable)).map(([name]) => name);
  const report = {
    missing: missing.filter((name) => model.expects?.(name, givenNames) ?? true),
    unexpected: [...givenNames].filter((name) => !own.has(name)),
    dropped,
    adapterAlone: holdsAdapters(givenNames),
  };
  const lacking = lackingOf(model, report.missing, options.mayLack);
  if (taken.length === 0 || lacking.length > 0) {
    const unreadable = underModelNames(checkpoint.unreadable(), names, checkpoint.path);
    throw unfit({ checkpoint, own, given, taken, dropped, lacking, unreadable }, options);
  }
  await checkConfigBeside(model, checkpoint);
  await holdUntied(model, given, taken, checkpoint.path);
  const parts = model.stateDict(); // a tied weight may be two by now
  const done = new Set<tf.Variable>();
  for (const name of taken) {
    const variable = parts.get(name)!;
    if (done.has(variable)) continue; // the second name of a tied tensor
    done.add(variable);
    assignValues(variable, await valueFor(name, variable, given.get(name)!, model.vocabularyGrowth));
  }
  if (!options.quiet) log.info(`loaded ${taken.length} tensors from ${checkpoint.path}`);
  warnOf(model, report);
  return report;
}

/** The one rule of what a checkpoint may lack: the missing names that it may not. */
function lackingOf(model: LoadableModel, missing: readonly string[], mayLack: MayLack): string[] {
  if (mayLack === 'anything') return [];
  const needed = missing.filter((name) => isNeeded(model, name));
  if (mayLack === 'nothing') return needed;
  return needed.filter((name) => !model.mayStartNew?.(name));
}

/** Whether a name stands for a weight that nothing but a file can give; a queue, say, belongs to a run alone. */
function isNeeded(model: LoadableModel, name: string): boolean {
  const variable = model.stateDict().get(name);
  const buffers = model.namedBuffers && new Set(model.namedBuffers().values()); // a shared one has two names
  const isBuffer = buffers ? buffers.has(variable!) : variable?.dtype !== 'float32';
  return !isBuffer && !isMomentumCopy(name);
}

/**
 * Weights that are one here and two in the file become two here, where the model can hold them so.
 * @throws CheckpointError where it cannot: either would change the model.
 */
async function holdUntied(
  model: LoadableModel,
  given: StateRefs,
  taken: readonly string[],
  path: string,
): Promise<void> {
  const own = model.stateDict();
  const groups = new Map<tf.Variable, string[]>();
  for (const name of taken) groups.set(own.get(name)!, [...(groups.get(own.get(name)!) ?? []), name]);
  for (const [first, other] of await untied(groups.values(), given)) {
    if (!model.untie?.(other)) {
      throw new CheckpointError('weights that are tied in this model differ in the checkpoint', {
        where: path,
        found: `${first} and ${other} hold other numbers`,
        help: 'the model was trained with the two apart, which cannot be loaded here',
      });
    }
    log.info(`${other} is not tied to ${first} in ${path}: it is kept as a separate weight`);
  }
}

/** A model of Hugging Face's says in a file beside it what no weight shows. @throws CheckpointError */
async function checkConfigBeside(model: LoadableModel, { path, stateDict }: Checkpoint): Promise<void> {
  if (!model.checkForeignConfig || ![...stateDict().keys()].some(isHuggingFaceName)) return;
  const file = join(dirname(path), 'config.json');
  if (existsSync(file)) model.checkForeignConfig(await readHuggingFaceConfig(file), file);
}

async function valueFor(name: string, variable: tf.Variable, ref: TensorRef, growth?: VocabularyGrowth) {
  const value = await ref.read();
  if (isPosEmbed(name)) return interpolatePosEmbed(value, variable.shape[1]!);
  return growth && growsWith(name, value.shape, growth) ? growRows(value, growth) : value;
}

/**
 * The file of a path, or of a URL: downloaded into the cache where it is not there yet.
 * @throws CheckpointError for a missing file; DataError when a URL cannot be downloaded: the
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

interface Unfit {
  checkpoint: Checkpoint;
  own: ReadonlyMap<string, tf.Variable>;
  given: StateRefs;
  taken: readonly string[];
  dropped: readonly string[];
  lacking: readonly string[];
  unreadable: ReadonlyMap<string, string>;
}

/** What is wrong with a file, and what it seems to be. */
function unfit(facts: Unfit, { arch, option }: LoadOptions): CheckpointError {
  const { checkpoint, own, given, taken, dropped, lacking, unreadable } = facts;
  const { path } = checkpoint;
  const names = [...given.keys()];
  const shard = shardOf(path);
  // A few missing among many: the right model and an incomplete file. A whole layer more: another model.
  const incomplete =
    taken.length > 0 &&
    dropped.length === 0 &&
    (shard || unreadable.size > 0 || 10 * lacking.length < own.size);
  const found = [`${taken.length} of the model's ${own.size} tensors`];
  if (lacking.length > 0) found.push(missingLine(lacking, own.size));
  for (const [name, kind] of [...unreadable].slice(0, 3))
    found.push(`${name} is ${kind}, which is not read here`);
  for (const name of dropped.slice(0, 3))
    found.push(`${name}: [${given.get(name)!.shape}] for [${own.get(name)!.shape}]`);
  const seems = shard ? `part ${shard.number} of ${shard.count}, by its name` : looksLike(names);
  if (seems) found.push(`it seems to be ${seems}`);
  if (!incomplete && dropped.length === 0) found.push(`names like ${firstFew(names, 3)}`);
  const headline = incomplete
    ? `the checkpoint lacks weights of this ${arch}`
    : `the checkpoint belongs to another model, of another architecture or size than this ${arch}`;
  return new CheckpointError(headline, {
    where: path,
    found: found.join('\n'),
    allowed: incomplete
      ? undefined
      : `the names and shapes of ${arch}, such as ${firstFew([...own.keys()], 2)}`,
    help: holdsAdapters(names)
      ? 'load the base, and the adapter over it: model.adapter=FOLDER or --adapter FOLDER, the folder adapter_… beside it'
      : helpFor(path, shard !== undefined, incomplete === true, option),
  });
}

function missingLine([first, ...others]: readonly string[], size: number): string {
  const more = others.length > 0 ? `; then ${firstFew(others, 3)}` : '';
  return `${others.length + 1} of the model's ${size} parameters are missing, the first is ${first}${more}`;
}

function helpFor(path: string, isShard: boolean, incomplete: boolean, option: string): string {
  if (isShard) {
    const whole = indexOfShard(path) ?? 'the index (*.index.json) that all parts lie beside';
    return `give the whole checkpoint: ${whole}`;
  }
  if (incomplete) return `save the whole state dict, or take another file: ${option}`;
  return `choose the model_type that the checkpoint was made with, or another file: ${option}`;
}

function warnOf(model: LoadableModel, report: WeightsReport): void {
  const { missing, unexpected, dropped } = report;
  const wrongShape = new Set(dropped);
  const absent = missing.filter((name) => !wrongShape.has(name) && isNeeded(model, name));
  if (absent.length) {
    log.warn(`${absent.length} tensors are not in the checkpoint, and start anew: ${firstFew(absent)}`);
  }
  if (dropped.length)
    log.warn(`${dropped.length} tensors have another shape and were left out: ${firstFew(dropped)}`);
  if (unexpected.length)
    log.warn(`${unexpected.length} tensors of the checkpoint have no use here: ${firstFew(unexpected)}`);
}
