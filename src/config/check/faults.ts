import { dump } from 'js-yaml';
import { ConfigError, type ErrorDetails } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import type { Registry } from '../../common/registry.js';
import { didYouMean } from '../../common/suggest.js';
import { EVERY_CLASS, ownersOf, runSchema, schemaOf } from '../schema/compose.js';
import { deceptiveIn, withVisible } from '../syntax_help.js';
import {
  describeOrigin,
  findEntry,
  findTree,
  type PlainObject,
  type PlainValue,
  type Tree,
  toPlain,
} from '../tree.js';

export interface CheckOptions {
  /** Keys that nothing here knows pass. */
  allowUnknown?: boolean;
  /** Whether processors of the train split are used; they are unless the run only evaluates. */
  training?: boolean;
  /** The model is used by itself, so that `run` may name no task. */
  withoutTask?: boolean;
  /** A program handed the section over: there is no command line whose options would help. */
  inCode?: boolean;
  /** Defaults could not all be read, so that what goes together cannot be told. */
  incomplete?: boolean;
}

const HOW_TO_PASS = '--allow-unknown lets unknown keys pass';

/** Collects what is wrong with a configuration, each fault with its place. */
export class Faults {
  readonly list: ConfigError[] = [];
  /** Paths of unknown keys that are let pass: nobody is handed them. */
  readonly unused: string[][] = [];

  constructor(
    readonly tree: Tree,
    readonly registry: Registry,
    readonly options: CheckOptions = {},
  ) {}

  /** @param at whether the fault stands at the value or at its key; where neither is written, at its section. */
  add(path: readonly string[], headline: string, details: ErrorDetails, at: 'key' | 'value' = 'value'): void {
    let depth = path.length;
    while (depth > 0 && !findEntry(this.tree, path.slice(0, depth))) depth--;
    const entry = findEntry(this.tree, path.slice(0, depth))!;
    const origin = at === 'value' && depth === path.length ? entry.tree.origin : entry.keyOrigin;
    this.list.push(new ConfigError(headline, { ...details, where: describeOrigin(origin) }));
  }

  /** @param known the keys that may stand beside it. */
  addUnknown(path: readonly string[], known: readonly string[]): void {
    // a default for another processor, say, than the one that is named
    const isDefault = findEntry(this.tree, path)?.keyOrigin.kind === 'default';
    if (isDefault || this.options.allowUnknown) {
      if (!isDefault) log.warnOnce(`${path.join('.')} is not known, and not used`);
      this.unused.push([...path]);
      return;
    }
    if (path.length === 2 && path[0] === 'run' && this.#addForeign(path)) return;
    const close = didYouMean(path.at(-1)!, known) || this.#elsewhere(path);
    const deceptive = deceptiveIn(path.at(-1)!, true);
    const help =
      path.length === 1 && !close
        ? 'the name of a section that only holds blocks for *aliases begins with x-; --allow-unknown allows any'
        : HOW_TO_PASS;
    const name = path.map(withVisible).join('.');
    const details = {
      found: close || undefined,
      allowed: !close && known.length <= 16 ? known.join(', ') : undefined,
      help: deceptive ? `its name holds ${deceptive}: type it again` : this.options.inCode ? undefined : help,
    };
    this.add(path, `${name} is not known`, details, 'key');
  }

  /** A key of a task, runner or schedule that was not chosen. @returns whether it is one */
  #addForeign(path: readonly string[]): boolean {
    const run = findTree(this.tree, ['run']);
    const foreign = ownersOf(this.registry, path[1], run ? (toPlain(run) as PlainObject) : {});
    if (!foreign) return false;
    const { chooser, called, chosen, owners } = foreign;
    const mine = findTree(this.tree, ['run', chooser])?.origin;
    const key = findEntry(this.tree, path)!.keyOrigin;
    const headline = `run.${path[1]} is a key of ${called} ${owners.join(' and ')}, not of ${chosen}`;
    // --options run.lr_sched=constant_lr tries a file with another schedule: the file's own keys may stay
    if (mine && /option|command/.test(mine.kind) && /file|default/.test(key.kind)) {
      log.warnOnce(`${headline}: it is not used`);
      this.unused.push([...path]);
      return true;
    }
    this.add(
      path,
      headline,
      { help: `run.${chooser}: ${owners.join(' or ')}, or leave the key out; ${HOW_TO_PASS}` },
      'key',
    );
    return true;
  }

  /** A key that belongs to another section. */
  #elsewhere(path: readonly string[]): string {
    const key = path.at(-1)!;
    const arch = findTree(this.tree, ['model', 'arch']);
    const model = arch?.kind === 'scalar' ? schemaOf(this.registry, 'model', String(arch.value)) : undefined;
    const homes = { run: runSchema(this.registry, EVERY_CLASS), model };
    const home = Object.entries(homes).find(
      ([section, schema]) => section !== path[0] && schema && Object.hasOwn(schema.shape, key),
    );
    return home ? `did you mean ${home[0]}.${key}?` : '';
  }
}

/** One error for all faults. */
export function joinFaults(faults: readonly ConfigError[], what = 'the configuration'): ConfigError {
  if (faults.length === 1) return faults[0];
  const listed = inOrder(faults).map(({ message }, i) => `${i + 1}. ${message.replaceAll('\n', '\n   ')}`);
  return new ConfigError(`${what} has ${faults.length} faults\n${listed.join('\n')}`);
}

/** Those of a file from its top to its bottom, options after them. */
function inOrder(faults: readonly ConfigError[]): ConfigError[] {
  const lineOf = ({ details }: ConfigError) => {
    const line = /:(\d+):\d+/.exec(details.where ?? '')?.[1];
    if (line) return Number(line);
    return details.where?.startsWith('--options') ? Number.POSITIVE_INFINITY : 0;
  };
  return [...faults].sort((a, b) => (lineOf(a) === lineOf(b) ? 0 : lineOf(a) - lineOf(b)));
}

/**
 * A value as a fault shows it.
 * @param more what may have been meant; how the value was written, where that is known
 */
export function found(value: PlainValue, { close = '', tree }: { close?: string; tree?: Tree } = {}): string {
  const shown = typeof value === 'string' ? `the text '${withVisible(value)}'` : inJson(value);
  const read = tree?.kind === 'scalar' && Object.is(tree.value, value) && typeof value !== 'string';
  const differs = read && tree.written !== undefined && tree.written.toLowerCase() !== shown;
  return `${shown}${differs ? `, written ${tree.written}` : ''}${close && `; ${close}`}`;
}

/** JSON has no word for numbers that are not finite, YAML has. */
const inJson = (value: PlainValue) =>
  typeof value === 'number' && !Number.isFinite(value) ? dump(value).trimEnd() : JSON.stringify(value);
