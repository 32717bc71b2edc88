import type { z } from 'zod';
import { ConfigError } from '../errors.js';
import type { Kind, Registry } from '../registry.js';
import { didYouMean } from '../suggest.js';
import { resolveTree } from './interpolation.js';
import { RUN_CLASSES, runSchema, schemaOf } from './schema/compose.js';
import { alternatives, inWords, type JsonSchema, schemaAt, toJsonSchema } from './schema/describe.js';
import {
  describeOrigin,
  findEntry,
  findTree,
  isPlainObject,
  type PlainObject,
  type PlainValue,
  type Tree,
} from './tree.js';

export interface CheckOptions {
  /** Keys that nothing here knows pass. */
  allowUnknown?: boolean;
  /** Defaults could not all be read, so that what goes together cannot be told. */
  incomplete?: boolean;
}

export interface Checked {
  faults: ConfigError[];
  /** Paths of keys that nothing here knows, where they are allowed. */
  unknown: string[][];
}

/**
 * Every fault of a merged configuration: unknown keys, wrong values, names that are not registered, values
 * that do not go together.
 */
export function checkTree(tree: Tree, registry: Registry, options: CheckOptions = {}): Checked {
  return new Checker(tree, registry, options).check();
}

/** The faults of one section by one schema. */
export function checkSection(
  tree: Tree,
  registry: Registry,
  path: readonly string[],
  section: PlainValue,
  schema: z.ZodObject,
): ConfigError[] {
  return new Checker(tree, registry, {}).checkSection(path, section, schema);
}

/** One error for all faults. */
export function joinFaults(faults: readonly ConfigError[]): ConfigError {
  if (faults.length === 1) return faults[0];
  const listed = faults.map(({ message }, i) => `${i + 1}. ${message.replaceAll('\n', '\n   ')}`);
  return new ConfigError(`the configuration has ${faults.length} faults\n${listed.join('\n')}`);
}

const SECTIONS = ['model', 'datasets', 'run', 'preprocess', 'plugins', 'env'];

class Checker {
  readonly #faults: ConfigError[] = [];
  readonly #unknownPaths: string[][] = [];

  constructor(
    readonly tree: Tree,
    readonly registry: Registry,
    readonly options: CheckOptions,
  ) {}

  check(): Checked {
    const plain = this.#resolve();
    if (plain) this.#sections(plain);
    return { faults: this.#faults, unknown: this.#unknownPaths };
  }

  #sections(plain: PlainObject): void {
    for (const name of Object.keys(plain)) {
      if (!SECTIONS.includes(name)) this.#unknown([name], SECTIONS);
    }
    this.#model(plain.model);
    if (isPlainObject(plain.datasets)) {
      for (const [name, section] of Object.entries(plain.datasets)) this.#dataset(name, section);
    }
    if (isPlainObject(plain.run)) this.#run(plain.run, plain);
    if (!this.options.incomplete) this.#imageSizes(plain);
  }

  checkSection(path: readonly string[], section: PlainValue, schema: z.ZodObject): ConfigError[] {
    this.#section(path, section, schema);
    return this.#faults;
  }

  /** The plain configuration; an interpolation that fails is the only fault then. */
  #resolve(): PlainObject | undefined {
    try {
      return resolveTree(this.tree, this.tree, []) as PlainObject;
    } catch (thrown) {
      if (!(thrown instanceof ConfigError)) throw thrown;
      this.#faults.push(thrown);
      return undefined;
    }
  }

  #model(section: PlainValue): void {
    if (!isPlainObject(section) || typeof section.arch !== 'string') return;
    this.#section(['model'], section, schemaOf(this.registry, 'model', section.arch));
  }

  #dataset(name: string, section: PlainValue): void {
    this.#section(['datasets', name], section, schemaOf(this.registry, 'builder', name));
    if (!isPlainObject(section)) return;
    for (const group of ['vis_processor', 'text_processor']) {
      const sides = section[group];
      if (!isPlainObject(sides)) continue;
      for (const [side, processor] of Object.entries(sides)) {
        if (!isPlainObject(processor) || typeof processor.name !== 'string') continue;
        const path = ['datasets', name, group, side];
        if (this.#named([...path, 'name'], 'processor', processor.name)) {
          this.#section(path, processor, schemaOf(this.registry, 'processor', processor.name));
        }
      }
    }
  }

  #run(run: PlainObject, plain: PlainObject): void {
    for (const [key, kind] of RUN_CLASSES) {
      const name = run[key];
      if (typeof name === 'string') this.#named(['run', key], kind, name);
    }
    this.#section(['run'], run, runSchema(this.registry, run));
    const { min_len, max_len } = run;
    if (typeof min_len === 'number' && typeof max_len === 'number' && min_len > max_len) {
      this.#fault(['run', 'min_len'], 'run.min_len is above run.max_len', {
        found: `${min_len} and ${max_len}`,
      });
    }
    if (!this.options.incomplete) this.#splits(run, plain);
  }

  /** Splits that no dataset has. */
  #splits(run: PlainObject, plain: PlainObject): void {
    const datasets = isPlainObject(plain.datasets) ? Object.values(plain.datasets) : [];
    const known = new Set(['train', 'val', 'test']);
    for (const dataset of datasets) {
      const info = isPlainObject(dataset) ? dataset.build_info : null;
      const annotations = isPlainObject(info) ? info.annotations : null;
      for (const split of isPlainObject(annotations) ? Object.keys(annotations) : []) known.add(split);
    }
    for (const key of ['train_splits', 'valid_splits', 'test_splits']) {
      const splits = run[key];
      if (!Array.isArray(splits)) continue;
      splits.forEach((split, i) => {
        if (typeof split !== 'string' || known.has(split)) return;
        this.#fault(['run', key, String(i)], `run.${key} names a split that no dataset has`, {
          found: found(split, didYouMean(split, known)),
          allowed: [...known].join(', '),
        });
      });
    }
  }

  /** The model takes squares of one size: processors that make another fail in the first step. */
  #imageSizes(plain: PlainObject): void {
    const wanted = isPlainObject(plain.model) ? plain.model.image_size : undefined;
    if (typeof wanted !== 'number' || !isPlainObject(plain.datasets)) return;
    for (const [name, dataset] of Object.entries(plain.datasets)) {
      const sides = isPlainObject(dataset) ? dataset.vis_processor : null;
      for (const [side, processor] of isPlainObject(sides) ? Object.entries(sides) : []) {
        if (!isPlainObject(processor) || typeof processor.name !== 'string') continue;
        const schema = schemaOf(this.registry, 'processor', processor.name);
        const usual = schema && schemaAt(toJsonSchema(schema), ['image_size'])?.default;
        const size = processor.image_size ?? usual;
        if (typeof size !== 'number' || size === wanted) continue;
        const key = `datasets.${name}.vis_processor.${side}.image_size`;
        this.#fault(key.split('.'), `${key} is not the image size of the model`, {
          found: processor.image_size === undefined ? `${size}, the default of ${processor.name}` : `${size}`,
          allowed: `${wanted}, as model.image_size`,
          help: `--options ${key}=${wanted}, or model.image_size=${size}`,
        });
      }
    }
  }

  #named(path: readonly string[], kind: Kind, name: string): boolean {
    if (this.registry.has(kind, name)) return true;
    try {
      this.registry.get(kind, name);
    } catch (thrown) {
      const { headline, details } = thrown as ConfigError;
      this.#fault(path, headline, details);
    }
    return false;
  }

  #section(path: readonly string[], section: PlainValue, schema: z.ZodObject | undefined): void {
    const result = schema?.safeParse(section);
    if (!schema || !result || result.success) return;
    const json = toJsonSchema(schema);
    for (const issue of innermost(result.error.issues)) {
      const at = [...path, ...issue.path.map(String)];
      if (issue.code === 'unrecognized_keys') {
        const known = keysOf(schemaAt(json, issue.path));
        for (const key of issue.keys) this.#unknown([...at, key], known);
      } else {
        this.#wrong(at, valueAt(section, issue.path), schemaAt(json, issue.path), issue.message);
      }
    }
  }

  #wrong(
    path: readonly string[],
    value: PlainValue | undefined,
    json: JsonSchema | undefined,
    said: string,
  ): void {
    const key = path.join('.');
    const allowed = json ? inWords(json) : said;
    if (value === undefined) {
      this.#fault(path, `${key} is missing`, { allowed: this.#names(path) ?? allowed });
      return;
    }
    const names = json ? alternatives(json).flatMap((option) => option.enum?.map(String) ?? []) : [];
    const quoted = typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value));
    this.#fault(path, `${key} has a value that it cannot have`, {
      found: found(value, typeof value === 'string' ? didYouMean(value, names) : ''),
      allowed,
      help: quoted && /number/.test(allowed) ? this.#unquote(path) : undefined,
    });
  }

  /** How a text that looks like a number becomes one. */
  #unquote(path: readonly string[]): string {
    const written = findTree(this.tree, path);
    const variable =
      written?.kind === 'scalar' ? /\$\{oc\.env:[^}]*\}/.exec(String(written.value))?.[0] : undefined;
    if (!variable) return 'write it without quotes';
    return `an environment variable is a text; \${oc.decode:${variable}} makes a number of it`;
  }

  #names(path: readonly string[]): string | undefined {
    const chooses = RUN_CLASSES.find(([key]) => path.length === 2 && path[0] === 'run' && path[1] === key);
    return chooses && this.registry.list(chooses[1]).join(', ');
  }

  #unknown(path: readonly string[], known: readonly string[]): void {
    if (this.options.allowUnknown) {
      this.#unknownPaths.push([...path]);
      return;
    }
    const key = path.at(-1)!;
    const close = didYouMean(key, known) || this.#elsewhere(path);
    const details = {
      found: close || undefined,
      allowed: !close && known.length <= 16 ? known.join(', ') : undefined,
      help: '--allow-unknown lets unknown keys pass',
    };
    this.#fault(path, `${path.join('.')} is not known`, details, 'key');
  }

  /** A key in the wrong section. */
  #elsewhere(path: readonly string[]): string {
    const key = path.at(-1)!;
    if (path[0] !== 'run' && Object.hasOwn(runSchema(this.registry).shape, key))
      return `did you mean run.${key}?`;
    const arch = findTree(this.tree, ['model', 'arch']);
    const model = arch?.kind === 'scalar' ? schemaOf(this.registry, 'model', String(arch.value)) : undefined;
    return path[0] !== 'model' && model && Object.hasOwn(model.shape, key)
      ? `did you mean model.${key}?`
      : '';
  }

  /** Places a fault at its value or key, or at the nearest section that is written down. */
  #fault(
    path: readonly string[],
    headline: string,
    details: ConfigError['details'],
    at: 'key' | 'value' = 'value',
  ): void {
    let depth = path.length;
    while (depth > 0 && !findEntry(this.tree, path.slice(0, depth))) depth--;
    const entry = findEntry(this.tree, path.slice(0, depth))!;
    const origin = at === 'value' && depth === path.length ? entry.tree.origin : entry.keyOrigin;
    this.#faults.push(new ConfigError(headline, { ...details, where: describeOrigin(origin) }));
  }
}

const keysOf = (json: JsonSchema | undefined) =>
  json ? alternatives(json).flatMap(({ properties }) => Object.keys(properties ?? {})) : [];

type Issue = z.core.$ZodIssue;

/** An alternative that fails deep inside is told there, not as "none of the alternatives". */
function innermost(issues: readonly Issue[]): Issue[] {
  return issues.flatMap((issue) => {
    if (issue.code !== 'invalid_union') return [issue];
    const deeper = issue.errors.filter((branch) => branch.some((inner) => inner.path.length > 0));
    if (deeper.length !== 1) return [issue];
    return innermost(deeper[0].map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })));
  });
}

function valueAt(value: PlainValue, path: readonly PropertyKey[]): PlainValue | undefined {
  return path.reduce<PlainValue | undefined>((below, step) => {
    if (Array.isArray(below)) return below[Number(step)];
    return isPlainObject(below) ? below[String(step)] : undefined;
  }, value);
}

function found(value: PlainValue, close: string): string {
  const shown = typeof value === 'string' ? `the text '${value}'` : JSON.stringify(value);
  return close ? `${shown}; ${close}` : shown;
}
