import { extname } from 'node:path';
import type { z } from 'zod';
import {
  type LazyTensor,
  openPeftAdapter,
  type PeftAdapter,
  type PeftConfig,
  savedTensor,
  sha256OfWeights,
  type TensorRef,
  writePeftAdapter,
} from '../checkpoint/index.js';
import { CheckpointError, ConfigError } from '../common/errors.js';
import { toFloat32 } from '../common/host_tensor.js';
import { log } from '../common/logging.js';
import { didYouMean } from '../common/suggest.js';
import { key, section, types } from '../config/index.js';
import { tf } from '../engine/index.js';
import { assignValues, keepFrozenStill, Linear, type Module, sameShape } from '../nn/index.js';
import { fromHuggingFace, toHuggingFace } from './hugging_face/names.js';
import type { ModelAdapter } from './model.js';

/** `model.lora`. */
export const loraSchema = section({
  r: key(types.natural, 16, 'Rank of the adapters.'),
  alpha: key(types.positive, 32, 'The output of the adapters is scaled by alpha / r.'),
  dropout: key(types.rate, 0.05, "Dropout on the adapters' input, in training."),
  target_modules: key(
    types.texts,
    ['query', 'key', 'value', 'dense'],
    "Linear layers to adapt: names or ends of names, LAVIS's or Hugging Face's.",
  ),
  use_rslora: key(types.flag, false, 'Scale by alpha / √r instead (arXiv:2312.03732).'),
});

export type LoraSection = z.output<typeof loraSchema>;

/** The weights that an adapter is trained beside. */
export interface BaseWeights {
  /** As the configuration names them. */
  place: string;
  /** Where they lie. */
  path: string;
}

/**
 * Adapts a model's linear layers, and takes all other parameters out of training.
 * @param startedAnew parameters that the base lacks: they are trained and saved beside the adapters
 * @param base what the model's weights were loaded from; undefined where they were drawn
 * @returns what a run saves, and the names of the new parameters, which `initialize` has to draw
 * @throws ConfigError for a target that is none
 */
export function adapt(
  model: Module,
  settings: LoraSection,
  startedAnew: ReadonlySet<string>,
  base: () => BaseWeights | undefined,
): { adapter: ModelAdapter; drawn: Set<string> } {
  if (model.frozenParameters().size > 0) {
    throw new ConfigError('model.lora is not for models with momentum copies, which follow whole weights', {
      found: model.constructor.name,
      help: 'model.freeze leaves parts of them as they are',
    });
  }
  const trained = model.namedParameters();
  const linears = linearLayers(model);
  const paths = targets(model, settings.target_modules);
  const { r, alpha, dropout, use_rslora: rooted } = settings;
  const scale = alpha / (rooted ? Math.sqrt(r) : r);
  for (const [name, variable] of trained) if (!startedAnew.has(name)) variable.trainable = false;
  for (const path of paths) linears.get(path)!.adapt({ r, scale, dropout });
  keepFrozenStill(model, new Set(trained.values()));
  const drawn = new Set(paths.flatMap((path) => [`${path}.lora_A.weight`, `${path}.lora_B.weight`]));
  return { adapter: new LoraAdapter(model, settings, paths, base), drawn };
}

/** Makes a model's adapters parts of its weights, as inference wants them. */
export function mergeAdapters(model: Module): void {
  for (const linear of linearLayers(model).values()) linear.merge();
}

/**
 * Loads an adapter that PEFT or a run here saved: into the adapters of a model that has them, else into its weights.
 * @param baseOf the weights that are there, to be compared with those that the adapter was trained beside
 * @throws CheckpointError when it does not fit
 */
export async function loadAdapter(
  model: Module,
  folder: string,
  base: BaseWeights | undefined,
): Promise<void> {
  const adapter = await openPeftAdapter(folder);
  try {
    await warnOfBase(adapter, base);
    const linears = linearLayers(model);
    const adapted = [...linears.values()].some(({ rank }) => rank !== undefined);
    const fitting = [...adapter.pairs].map(([module, pair]) => {
      const path = fromHuggingFace(module);
      const linear = linears.get(path);
      const r = pair.down.shape[0];
      const shape = [pair.up.shape[0], pair.down.shape[1]];
      if (!linear || !sameShape(linear.weight.shape, shape)) {
        throw doesNotFit(
          folder,
          `${module}: ${linear ? `[${shape}] for [${linear.weight.shape}]` : 'no linear layer here'}`,
        );
      }
      if (adapted && linear.rank !== r) {
        throw doesNotFit(folder, `${module}: rank ${r}, in model.lora ${linear.rank ?? 'not a target'}`);
      }
      return { path, linear, pair };
    });
    const state = model.stateDict();
    for (const [name, tensor] of adapter.whole) {
      const own = state.get(fromHuggingFace(name));
      if (!own || !sameShape(own.shape, tensor.shape)) throw doesNotFit(folder, `${name} [${tensor.shape}]`);
    }
    if (adapted) refuseLacking(folder, linears, new Set(fitting.map(({ linear }) => linear)));
    for (const { path, linear, pair } of fitting) {
      const [down, up] = [await pair.down.read(), await pair.up.read()];
      if (adapted) {
        assignValues(state.get(`${path}.lora_A.weight`)!, down);
        assignValues(state.get(`${path}.lora_B.weight`)!, up);
        continue;
      }
      tf.tidy(() =>
        linear.add(
          tf.tensor(toFloat32(down), [...down.shape]),
          tf.tensor(toFloat32(up), [...up.shape]),
          pair.scale,
        ),
      );
    }
    for (const [name, tensor] of adapter.whole) {
      assignValues(state.get(fromHuggingFace(name))!, await tensor.read());
    }
    log.info(`loaded an adapter of ${fitting.length} layers from ${folder}`);
  } finally {
    await adapter.close();
  }
}

/**
 * What makes a checkpoint's weights those with an adapter in them: for each tensor what takes its place.
 * @param tensors of the base, under LAVIS's or Hugging Face's names
 * @throws CheckpointError when the adapter is of another model
 */
export function mergedTensors(
  adapter: PeftAdapter,
  tensors: ReadonlyMap<string, TensorRef>,
): (name: string, tensor: TensorRef) => LazyTensor {
  const pairs = new Map(
    [...adapter.pairs].map(([module, pair]) => [`${fromHuggingFace(module)}.weight`, pair]),
  );
  const whole = new Map([...adapter.whole].map(([name, tensor]) => [fromHuggingFace(name), tensor]));
  const known = new Map([...tensors].map(([name, tensor]) => [fromHuggingFace(name), tensor]));
  for (const [name, { down, up }] of pairs) {
    const shape = known.get(name)?.shape;
    if (!shape || !sameShape(shape, [up.shape[0], down.shape[1]])) {
      throw doesNotFit(adapter.folder, `${name}: ${shape ? `[${shape}] in the base` : 'not in the base'}`);
    }
  }
  for (const [name, { shape }] of whole) {
    if (!known.has(name) || !sameShape(known.get(name)!.shape, shape)) throw doesNotFit(adapter.folder, name);
  }
  return (name, tensor) => {
    const path = fromHuggingFace(name);
    const pair = pairs.get(path);
    if (!pair) return whole.get(path) ?? tensor;
    return {
      dtype: 'float32',
      shape: tensor.shape,
      identity: tensor.identity,
      read: async () => {
        const [out, within] = tensor.shape;
        const data = toFloat32(await tensor.read()).slice();
        const [down, up] = [toFloat32(await pair.down.read()), toFloat32(await pair.up.read())];
        addProduct(data, { up, down, out, within, scale: pair.scale });
        return { dtype: 'float32', shape: tensor.shape, data };
      },
    };
  };
}

interface Product {
  up: Float32Array;
  down: Float32Array;
  out: number;
  within: number;
  scale: number;
}

/** weight += scale · up · down */
function addProduct(weight: Float32Array, { up, down, out, within, scale }: Product): void {
  const r = down.length / within;
  for (let row = 0; row < out; row++) {
    for (let k = 0; k < r; k++) {
      const factor = scale * up[row * r + k];
      const [to, from] = [row * within, k * within];
      for (let i = 0; i < within; i++) weight[to + i] += factor * down[from + i];
    }
  }
}

/** The adapters of a model in training: what its run saves. */
class LoraAdapter implements ModelAdapter {
  #sha256?: { path: string; hash: Promise<string> };

  constructor(
    private readonly model: Module,
    private readonly settings: LoraSection,
    private readonly paths: readonly string[],
    private readonly base: () => BaseWeights | undefined,
  ) {}

  state(): Map<string, tf.Variable> {
    return this.model.namedParameters();
  }

  /** What a checkpoint says of them, so that no run goes on beside other weights. */
  async facts(): Promise<Record<string, string>> {
    const { r, alpha, use_rslora: rooted } = this.settings;
    return {
      'model.lora.r': String(r),
      'model.lora.alpha': String(alpha),
      'model.lora.use_rslora': String(rooted),
      'sha256 of the base': (await this.#baseSha256()) ?? 'none: drawn at random',
    };
  }

  async save(folder: string): Promise<void> {
    const baseSha256 = await this.#baseSha256();
    const config = this.#config();
    const tensors = new Map(
      [...this.state()].map(([name, variable]) => [toHuggingFace(name), savedTensor(variable)]),
    );
    await writePeftAdapter(folder, config, tensors, { baseSha256, readme: readmeOf(config, baseSha256) });
  }

  #config(): PeftConfig {
    const { r, alpha, dropout, use_rslora } = this.settings;
    const adapters = new Set(
      this.paths.flatMap((path) => [`${path}.lora_A.weight`, `${path}.lora_B.weight`]),
    );
    const whole = [...this.state().keys()].filter((name) => !adapters.has(name));
    const modules = [...new Set(whole.map((name) => toHuggingFace(name.replace(/\.[^.]+$/, ''))))];
    const library = CLASSES[this.model.constructor.name];
    return {
      r,
      lora_alpha: alpha,
      lora_dropout: dropout,
      use_rslora,
      target_modules: targetsOfHuggingFace(this.model, this.settings.target_modules, this.paths),
      modules_to_save: modules.length > 0 ? modules : null,
      base_model_name_or_path: this.base()?.place ?? null,
      auto_mapping: library
        ? { base_model_class: library, parent_library: 'transformers.models.blip.modeling_blip' }
        : null,
    };
  }

  async #baseSha256(): Promise<string | undefined> {
    const path = this.base()?.path;
    if (!path) return undefined;
    if (this.#sha256?.path !== path) this.#sha256 = { path, hash: sha256OfWeights(path) };
    return this.#sha256.hash;
  }
}

/** The classes of transformers that have the same parts. */
const CLASSES: Readonly<Record<string, string | undefined>> = {
  BlipCaption: 'BlipForConditionalGeneration',
  BlipVQA: 'BlipForQuestionAnswering',
  BlipImageTextMatching: 'BlipForImageTextRetrieval',
};

const readmeOf = (config: PeftConfig, sha256: string | undefined): string =>
  `---
library_name: peft
${config.base_model_name_or_path ? `base_model: ${JSON.stringify(config.base_model_name_or_path)}\n` : ''}---

A LoRA adapter of BLIP, trained with lavis for Node: rank ${config.r}, alpha ${config.lora_alpha}.

It belongs to ${config.base_model_name_or_path ?? 'weights that were drawn at random'}${sha256 ? ` (sha256 ${sha256})` : ''}.

    lavis caption photo.jpg --model blip_caption --checkpoint BASE --adapter FOLDER
    lavis convert BASE merged.pth --adapter FOLDER
`;

/** Every linear layer, a shared one under its first name. */
function linearLayers(model: Module): Map<string, Linear> {
  const found = new Map<string, Linear>();
  const seen = new Set<Module>();
  for (const [name, module] of model.namedModules()) {
    if (!(module instanceof Linear) || seen.has(module)) continue;
    seen.add(module);
    found.set(name, module);
  }
  return found;
}

const isTarget = (entry: string, path: string) => path === entry || path.endsWith(`.${entry}`);

/** The linear layers that entries mean, in the model's order. @throws ConfigError for an entry that means none */
function targets(model: Module, entries: readonly string[]): string[] {
  const paths = [...linearLayers(model).keys()];
  const means = (entry: string, path: string) =>
    isTarget(entry, path) || isTarget(entry, toHuggingFace(path));
  for (const entry of entries) {
    if (paths.some((path) => means(entry, path))) continue;
    const ends = [...new Set(paths.map((path) => path.slice(path.lastIndexOf('.') + 1)))];
    throw new ConfigError('model.lora.target_modules names no linear layer', {
      found: [`'${entry}'`, didYouMean(entry, [...ends, ...paths])].filter(Boolean).join('; '),
      allowed: `${ends.filter((end) => !/^\d+$/.test(end)).join(', ')}, or longer ends of names such as ${paths[0]}`,
    });
  }
  return paths.filter((path) => entries.some((entry) => means(entry, path)));
}

/** The same targets for PEFT over Hugging Face's model: short where that means the same, else every name. */
function targetsOfHuggingFace(
  model: Module,
  entries: readonly string[],
  paths: readonly string[],
): readonly string[] {
  const wanted = new Set(paths.map(toHuggingFace));
  const short = [
    ...new Set(entries.map((entry) => (entry === 'proj' ? 'projection' : toHuggingFace(entry)))),
  ];
  const meant = [...model.namedModules()]
    .map(([name]) => toHuggingFace(name))
    .filter((name) => !/\.lora_[AB]$/.test(name) && short.some((entry) => isTarget(entry, name)));
  const same = meant.length === wanted.size && meant.every((name) => wanted.has(name));
  return same ? short : [...wanted];
}

async function warnOfBase({ folder, baseSha256 }: PeftAdapter, base: BaseWeights | undefined): Promise<void> {
  if (!baseSha256 || !base) return;
  const sha256 = await sha256OfWeights(base.path);
  if (sha256 === baseSha256) return;
  const kind = extname(base.path) || 'file';
  log.warn(
    `the adapter ${folder} was trained beside another file than ${base.path} (sha256 ${baseSha256.slice(0, 12)}…, not ${sha256.slice(0, 12)}…): unless it is the same weights as another ${kind}, its results are not those of its training`,
  );
}

/** @throws CheckpointError where the model has adapters that the folder has not */
function refuseLacking(
  folder: string,
  linears: ReadonlyMap<string, Linear>,
  given: ReadonlySet<Linear>,
): void {
  const lacking = [...linears].filter(([, linear]) => linear.rank !== undefined && !given.has(linear));
  if (lacking.length === 0) return;
  throw doesNotFit(
    folder,
    `${lacking.length} layers of model.lora are not in it, the first is ${lacking[0][0]}`,
  );
}

const doesNotFit = (folder: string, found: string): CheckpointError =>
  new CheckpointError('the adapter does not fit the model', {
    where: folder,
    found,
    help: 'give the base and, in training, the model.lora that it was trained with',
  });
