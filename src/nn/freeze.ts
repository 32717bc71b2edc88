import { ConfigError } from '../common/errors.js';
import { globMatcher } from '../common/glob.js';
import { didYouMean } from '../common/suggest.js';
import type { Module } from './module.js';

/**
 * Takes the parameters that are named out of training, and keeps modules still of which no parameter is trained any
 * more: no gradient, moments or exchange between workers for them, no dropout or stochastic depth in them.
 * @param patterns the name of a parameter or of a module, which stands for all below it; or a glob, in which `*` stays
 * within a part of a name, `**` goes over parts, and {4..11} counts
 * @param where the key that they come from
 * @throws ConfigError when a pattern matches nothing
 */
export function freezeNamed(model: Module, patterns: readonly string[], where: string): void {
  const trained = new Set(model.namedParameters().values());
  const places = [...model.stateDict()].map(([name, variable]) => ({
    variable,
    beginnings: beginnings(name),
  }));
  for (const pattern of patterns) {
    const matches = globMatcher(asPath(pattern));
    const named = places.filter((place) => place.beginnings.some((name) => matches(asPath(name))));
    if (named.length === 0) throw matchesNothing(pattern, model, where);
    for (const { variable } of named) variable.trainable = false;
  }
  keepFrozenStill(model, trained);
}

/** Keeps modules still that had trained parameters and have none any more. @param trained before */
export function keepFrozenStill(model: Module, trained: ReadonlySet<unknown>): void {
  for (const [, module] of model.namedModules()) {
    const own = new Set(module.frozenParameters().values());
    if (module.namedParameters().size === 0 && [...own].some((variable) => trained.has(variable))) {
      module.keepStill();
    }
  }
}

/** 'a', 'a.b' and 'a.b.c' for 'a.b.c'. */
const beginnings = (name: string): string[] =>
  name.split('.').map((_, i, parts) => parts.slice(0, i + 1).join('.'));

/** Dots as slashes, but for those of a range. */
const asPath = (name: string): string => name.replace(/(?<!\.)\.(?!\.)/g, '/');

function matchesNothing(pattern: string, model: Module, where: string): ConfigError {
  const modules = [...model.namedModules()].map(([name]) => name).filter(Boolean);
  const names = [...modules, ...model.stateDict().keys()];
  return new ConfigError(`${where} names no part of the model`, {
    found: [`'${pattern}'`, didYouMean(pattern, names)].filter(Boolean).join('; '),
    allowed: `a module such as ${modules[0]} (all below it), a parameter, or a glob such as ${modules[0]}.*`,
  });
}
