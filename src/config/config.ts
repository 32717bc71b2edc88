import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { ConfigError } from '../common/errors.js';
import { expandHome, resolveFile } from '../common/paths.js';
import { type Registry, registry } from '../common/registry.js';
import { checkTree } from './check/check.js';
import { type CheckOptions, Faults, found, joinFaults } from './check/faults.js';
import { defaultsOf } from './defaults.js';
import { readConfigFile } from './files.js';
import { resolveTree } from './interpolation.js';
import { parseOptions } from './options.js';
import { loadedPlugins, loadPlugin } from './plugins.js';
import { readTree } from './read_section.js';
import {
  describeOrigin,
  emptyMap,
  findTree,
  isPlainObject,
  isShared,
  mergeTrees,
  type Origin,
  type OverrideSection,
  type PlainObject,
  type PlainValue,
  splitKey,
  type Tree,
  toPlain,
  treeOf,
  without,
} from './tree.js';
import { parseYaml } from './yaml.js';

export interface ConfigOptions {
  /** Where the classes are looked up; the process's own registry where left out. */
  registry?: Registry;
  /** Look for every fault at once, as the command line does, and `train` and `evaluate` before they begin. */
  check?: boolean | CheckOptions;
  /** What a command adds by itself, over file and options, before anything is checked. */
  overrides?: readonly Overrides[];
}

/** Values that are nobody's text: a checkpoint that was found, `run.evaluate` of `lavis eval`. */
export interface Overrides {
  values: OverrideSection;
  /** What asked for them, as a message and the run's record name it: `--checkpoint FILE`. */
  origin: string;
}

/** Sections of the user's file that are taken over; the default files may bring others. */
const SECTIONS = ['run', 'model', 'datasets', 'plugins', 'env'];
const isTakenOver = (name: string) => SECTIONS.includes(name) || isShared(name);

/**
 * A run's configuration: the defaults of the model and the datasets, the user's YAML over them, the
 * options over both. Source: lavis/common/config.py.
 */
export class Config {
  private constructor(
    /** The YAML file, absolute. */
    readonly path: string,
    /** The merged configuration, each value with its origin. */
    readonly tree: Tree,
    readonly registry: Registry,
    /** What the sections are read from: `tree` without the unknown keys that were let pass. */
    private readonly used: Tree,
    /** Whether every key and value was looked at. */
    private readonly faultless = false,
  ) {}

  /**
   * Reads and merges. Loads the plug-ins that the YAML or the options name, as defaults come from
   * registered classes.
   * @param options as typed after --options: `['run.max_epoch=2']` or `['run.max_epoch', '2']`.
   * @throws ConfigError for a missing or broken file, an unknown architecture, model type or dataset.
   */
  static async fromFile(
    path: string,
    options: readonly string[] = [],
    { registry: known = registry, check = false, overrides = [] }: ConfigOptions = {},
  ): Promise<Config> {
    const file = readConfigFile(path);
    const user = parseYaml(file.text, { kind: 'file', file: file.shown });
    if (user.kind !== 'map') {
      throw new ConfigError(`${file.shown} is not a configuration`, {
        where: describeOrigin(user.origin),
        found:
          user.kind === 'list'
            ? 'a list: its lines begin with -'
            : user.value === null
              ? 'an empty file, or comments only'
              : found(user.value),
        allowed: 'the sections model, datasets and run, each a name with a colon and indented keys below it',
        help: 'lavis init FOLDER writes one to begin with',
      });
    }
    const typed = parseOptions(options, Boolean(check));
    const added = overrides.map(treeOfOverrides);
    const chosen = [user, typed, ...added].reduce(mergeTrees);
    for (const plugin of pluginsOf(chosen, file.path)) await loadPlugin(plugin);

    const early: ConfigError[] = [];
    const defaults = defaultsOf(chosen, known, check ? early : undefined);
    // other sections of the user's file are dropped, as the reference does, unless they are to be found fault with
    const own = check ? user : sectionsOf(user, isTakenOver);
    const merged = [own, typed, ...added].reduce(mergeTrees, defaults);
    const config = new Config(file.path, merged, known, merged);
    return check ? config.#checked(check === true ? {} : check, early) : config;
  }

  /**
   * This configuration with every key and value looked at, where `fromFile` was not told to.
   * @throws ConfigError with every fault: unknown keys, wrong values, names that are not registered
   */
  checked(options: CheckOptions = {}): Config {
    return this.faultless ? this : this.#checked(options);
  }

  #checked(options: CheckOptions, early: readonly ConfigError[] = []): Config {
    const faults = new Faults(this.tree, this.registry, { ...options, incomplete: early.length > 0 });
    checkTree(faults);
    const all = [...early, ...faults.list];
    if (all.length > 0) throw joinFaults(all);
    return new Config(this.path, this.tree, this.registry, faults.unused.reduce(without, this.tree), true);
  }

  /**
   * This configuration with other values over it, which were decided after it was read and checked.
   * @param origin what asked for them, as messages name it: `--resume`.
   */
  with(values: OverrideSection, origin: string): Config {
    const over = treeOfOverrides({ values, origin });
    const [tree, used] = [this.tree, this.used].map((below) => mergeTrees(below, over));
    return new Config(this.path, tree, this.registry, used, this.faultless);
  }

  /**
   * Makes `env.cache_root` the place of downloads, unless the environment names one: in the environment, as worker
   * threads and processes are to look in the same place.
   */
  useCacheRoot(): void {
    const { cache_root } = this.section('env');
    if (typeof cache_root === 'string') process.env.LAVIS_CACHE_ROOT ||= resolve(expandHome(cache_root));
  }

  /** The `model` section, interpolations resolved. */
  get model(): PlainObject {
    return this.section('model');
  }
  /** The `datasets` section, interpolations resolved: one section for each dataset. */
  get datasets(): Record<string, PlainObject> {
    return this.section('datasets') as Record<string, PlainObject>;
  }
  /** The `run` section, interpolations resolved. */
  get run(): PlainObject {
    return this.section('run');
  }

  /** Any section, interpolations resolved; empty where there is none. */
  section(name: string): PlainObject {
    const value = this.value(name);
    return isPlainObject(value) ? value : {};
  }

  /** The value of a dotted key, interpolations resolved; null where there is none. */
  value(key: string): PlainValue {
    const path = splitKey(key);
    const tree = findTree(this.used, path);
    return tree ? resolveTree(this.tree, tree, path) : null;
  }

  /**
   * The keys of a section that a schema names, with their defaults; other keys are not looked at.
   * @param section dotted, as `run` or `datasets.nlvr`.
   * @throws ConfigError with every wrong value and its place.
   */
  read<S extends z.ZodObject>(section: string, schema: S): z.output<S> {
    const keys = z.object(schema.shape) as unknown as S;
    return readTree(this.tree, section, keys, { registry: this.registry, used: this.used });
  }

  /** The merged configuration with interpolations as written. */
  toJSON(): PlainObject {
    return toPlain(this.tree) as PlainObject;
  }

  /** Where the value of a dotted key was written; undefined where there is no such key. */
  originOf(key: string): Origin | undefined {
    return findTree(this.tree, splitKey(key))?.origin;
  }

  /** The plug-in modules that are loaded, absolute: the configuration's and the command line's. */
  get plugins(): string[] {
    return loadedPlugins();
  }
}

const treeOfOverrides = ({ values, origin }: Overrides) =>
  treeOf(values, { kind: 'command', command: origin });

function sectionsOf(tree: Tree, isWanted: (name: string) => boolean): Tree {
  if (tree.kind !== 'map') return tree;
  return { ...tree, entries: new Map([...tree.entries].filter(([name]) => isWanted(name))) };
}

/** `plugins: my.js` or a list; looked for beside the YAML, then in the working directory. */
function pluginsOf(tree: Tree, configPath: string): string[] {
  const section = findTree(tree, ['plugins']) ?? emptyMap(tree.origin);
  const value = toPlain(section);
  const names = typeof value === 'string' ? [value] : Array.isArray(value) ? value : [];
  return names.map((name) => {
    const beside = resolve(dirname(configPath), String(name));
    return existsSync(beside) ? beside : resolveFile(String(name));
  });
}
