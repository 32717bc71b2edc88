import { ConfigError } from '../common/errors.js';
import { type Kind, registry as ownRegistry, type Registry } from '../common/registry.js';
import { didYouMean } from '../common/suggest.js';
import { found } from './check/faults.js';
import { readConfigFile } from './files.js';
import {
  describeOrigin,
  type Entry,
  emptyMap,
  findEntry,
  findTree,
  mergeTrees,
  type Origin,
  type Tree,
  toPlain,
} from './tree.js';
import { parseYaml } from './yaml.js';

/** What a registered class tells of its defaults: the file for each type. */
export interface HasDefaults {
  readonly defaultConfigs?: Readonly<Record<string, string>>;
}

/**
 * The defaults of the chosen model and datasets, merged.
 * @param faults where given, every fault is kept there and what is left is merged; else the first is thrown.
 */
export function defaultsOf(chosen: Tree, registry: Registry, faults?: ConfigError[]): Tree {
  const attempt: Attempt = (read) => {
    try {
      return read();
    } catch (thrown) {
      if (!faults || !(thrown instanceof ConfigError)) throw thrown;
      faults.push(thrown);
      return undefined;
    }
  };
  const none = emptyMap(chosen.origin);
  const model = attempt(() => modelDefaults(chosen, registry)) ?? none;
  const datasets = attempt(() => datasetDefaults(chosen, registry, attempt)) ?? none;
  attempt(() => requireRun(chosen));
  return mergeTrees(model, datasets);
}

function requireRun(chosen: Tree): void {
  requireSection(chosen, 'run', 'task, max_epoch, init_lr, … (it may be empty: run: {})');
}

/** @throws ConfigError where the section is not there, or something else than a mapping. */
function requireSection(chosen: Tree, name: string, content: string): void {
  const tree = findTree(chosen, [name]);
  if (tree?.kind === 'map') return;
  const empty = !tree || (tree.kind === 'scalar' && tree.value === null);
  throw new ConfigError(`the section '${name}' is ${empty ? 'missing' : 'not a mapping'}`, {
    where: tree ? describeOrigin(tree.origin) : fileOf(chosen.origin),
    found: empty
      ? undefined
      : tree.kind === 'list'
        ? 'a list: a line below begins with -'
        : found(toPlain(tree)),
    allowed: `${name}: with ${content}`,
  });
}

/** The default file of the chosen architecture and model type. */
function modelDefaults(chosen: Tree, registry: Registry): Tree {
  requireSection(chosen, 'model', `arch (${registry.list('model').join(', ')}) and model_type`);
  const arch = nameAt(chosen, ['model', 'arch']);
  if (!arch) throw missingKey(chosen, 'model.arch', registry.list('model'));
  const defaults = filesOf(registry, 'model', arch.name, arch.origin);
  const type = nameAt(chosen, ['model', 'model_type']);
  // A plug-in's model may have all its keys in the section.
  if (!type && Object.keys(defaults).length === 0) return emptyMap(chosen.origin);
  if (!type) throw missingKey(chosen, 'model.model_type', Object.keys(defaults));
  return readDefaults(defaults, type, TYPE_OF.model(arch.name));
}

/**
 * The default files of the chosen datasets, merged.
 * @param attempt runs one dataset's reading, and keeps its fault where faults are collected.
 */
function datasetDefaults(chosen: Tree, registry: Registry, attempt: Attempt): Tree {
  const names = registry.list('builder').join(', ');
  requireSection(chosen, 'datasets', `a mapping under each dataset's name (${names})`);
  const datasets = findTree(chosen, ['datasets']);
  let merged = emptyMap({ kind: 'default', file: 'defaults' });
  for (const [name, entry] of datasets?.kind === 'map' ? datasets.entries : []) {
    const defaults = attempt(() => defaultsOfDataset(chosen, registry, name, entry));
    if (defaults) merged = mergeTrees(merged, defaults);
  }
  return merged;
}

function defaultsOfDataset(chosen: Tree, registry: Registry, name: string, entry: Entry): Tree {
  const defaults = filesOf(registry, 'builder', name, entry.keyOrigin);
  if (entry.tree.kind !== 'map') {
    throw new ConfigError(`the dataset '${name}' has no mapping under it`, {
      where: describeOrigin(entry.keyOrigin),
      allowed: `${name}: {} takes all defaults`,
    });
  }
  const type = nameAt(chosen, ['datasets', name, 'type']) ?? { name: 'default', origin: entry.keyOrigin };
  return readDefaults(defaults, type, TYPE_OF.builder(name));
}

/** Gives a result, or undefined after a fault that was kept for later. */
type Attempt = <T>(read: () => T) => T | undefined;

interface Named {
  name: string;
  origin: Origin;
}

function nameAt(tree: Tree, path: string[]): Named | undefined {
  const found = findEntry(tree, path)?.tree;
  if (found?.kind !== 'scalar' || found.value === null) return undefined;
  return { name: String(found.value), origin: found.origin };
}

function filesOf(registry: Registry, kind: Kind, name: string, origin: Origin): Record<string, string> {
  try {
    return { ...(registry.get(kind, name) as HasDefaults).defaultConfigs };
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown;
    throw new ConfigError(thrown.headline, { ...thrown.details, where: describeOrigin(origin) });
  }
}

/** A class without default files has empty defaults for every type. */
function readDefaults(files: Record<string, string>, type: Named, what: string): Tree {
  if (Object.keys(files).length === 0) return emptyMap({ kind: 'default', file: what });
  return readYamlFile(fileOfType(files, type.name, what, type.origin));
}

/** A YAML file that stands in for a run's, or below it. @throws ConfigError */
export function readYamlFile(path: string): Tree {
  const file = readConfigFile(path);
  return parseYaml(file.text, { kind: 'default', file: file.shown });
}

/** How messages call what the default files of a class are for. */
const TYPE_OF = {
  model: (name: string) => `model type of ${name}`,
  builder: (name: string) => `type of the dataset ${name}`,
};

/**
 * The default file of a registered model or dataset.
 * @param type the first that it has where left out
 * @throws ConfigError for an unknown name or type, or where there is no file at all.
 */
export function defaultFileOf(kind: keyof typeof TYPE_OF, name: string, type?: string): string {
  const files = (ownRegistry.get(kind, name) as HasDefaults).defaultConfigs ?? {};
  return fileOfType(files, type ?? Object.keys(files)[0] ?? 'default', TYPE_OF[kind](name));
}

function fileOfType(
  files: Readonly<Record<string, string>>,
  type: string,
  what: string,
  origin?: Origin,
): string {
  if (Object.hasOwn(files, type)) return files[type];
  const known = Object.keys(files);
  throw new ConfigError(`no ${what} is named '${type}'`, {
    where: origin && describeOrigin(origin),
    found: [`'${type}'`, didYouMean(type, known)].filter(Boolean).join('; '),
    allowed: known.join(', '),
  });
}

function missingKey(chosen: Tree, key: string, names: string[]): ConfigError {
  const section = findTree(chosen, [key.split('.')[0]]);
  return new ConfigError(`${key} is missing`, {
    where: describeOrigin(section?.origin ?? chosen.origin),
    allowed: names.join(', ') || 'none is registered',
  });
}

const fileOf = (origin: Origin) => origin.file ?? describeOrigin(origin);
