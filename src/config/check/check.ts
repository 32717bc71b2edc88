import { z } from 'zod';
import { ConfigError } from '../../common/errors.js';
import type { Kind } from '../../common/registry.js';
import { resolveTree } from '../interpolation.js';
import { hooksOf, RUN_CLASSES, runSchema, schemaOf } from '../schema/compose.js';
import type { HasOptions } from '../schema/key.js';
import { isPlainObject, isShared, type PlainObject, type PlainValue } from '../tree.js';
import type { Faults } from './faults.js';
import { checkSection } from './section.js';
import { checkTogether } from './together.js';

const SECTIONS = ['model', 'datasets', 'run', 'preprocess', 'plugins', 'env'];

/**
 * Finds every fault of a merged configuration: unknown keys, wrong values, names that are not registered,
 * values that do not go together.
 */
export function checkTree(faults: Faults): void {
  const plain = resolve(faults);
  if (!plain) return;
  for (const name of Object.keys(plain)) {
    if (isShared(name)) faults.unused.push([name]);
    else if (!SECTIONS.includes(name)) faults.addUnknown([name], SECTIONS);
  }
  checkModel(faults, plain.model);
  if (isPlainObject(plain.datasets)) {
    for (const [name, section] of Object.entries(plain.datasets)) checkDataset(faults, name, section);
  }
  checkRunSection(faults, plain.run);
  if (!faults.options.incomplete) checkTogether(faults, plain);
}

/** The plain configuration; an interpolation that fails is the only fault then. */
function resolve({ tree, list }: Faults): PlainObject | undefined {
  try {
    return resolveTree(tree, tree, []) as PlainObject;
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown;
    list.push(thrown);
    return undefined;
  }
}

function checkModel(faults: Faults, section: PlainValue): void {
  if (!isPlainObject(section) || typeof section.arch !== 'string') return;
  checkSection(faults, ['model'], section, schemaOf(faults.registry, 'model', section.arch));
}

function checkDataset(faults: Faults, name: string, section: PlainValue): void {
  if (!isPlainObject(section)) return; // said where defaults are looked for
  checkSection(faults, ['datasets', name], section, schemaOf(faults.registry, 'builder', name));
  for (const group of ['vis_processor', 'text_processor']) {
    const sides = section[group];
    if (!isPlainObject(sides)) continue;
    for (const [side, processor] of Object.entries(sides)) {
      if (!isPlainObject(processor) || typeof processor.name !== 'string') continue;
      const path = ['datasets', name, group, side];
      if (checkName(faults, [...path, 'name'], 'processor', processor.name)) {
        checkSection(faults, path, processor, schemaOf(faults.registry, 'processor', processor.name));
      }
    }
  }
}

function checkRunSection(faults: Faults, run: PlainValue): void {
  if (!isPlainObject(run)) return;
  for (const [key, kind] of RUN_CLASSES) {
    const name = run[key];
    if (typeof name === 'string') checkName(faults, ['run', key], kind, name);
  }
  for (const { name, options, path } of hooksOf(run.hooks)) {
    const at = ['run', 'hooks', ...path];
    if (!checkName(faults, at, 'hook', name) || !isPlainObject(options)) continue;
    const { optionsSchema } = faults.registry.get('hook', name) as HasOptions;
    checkSection(faults, at, options, optionsSchema ?? z.strictObject({}));
  }
  const schema = runSchema(faults.registry, run);
  checkSection(faults, ['run'], run, faults.options.withoutTask ? schema.partial({ task: true }) : schema);
}

function checkName(faults: Faults, path: readonly string[], kind: Kind, name: string): boolean {
  if (faults.registry.has(kind, name)) return true;
  try {
    faults.registry.get(kind, name);
  } catch (thrown) {
    const { headline, details } = thrown as ConfigError;
    faults.add(path, headline, details);
  }
  return false;
}
