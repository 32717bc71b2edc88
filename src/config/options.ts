import { ConfigError } from '../common/errors.js';
import { log } from '../common/logging.js';
import { emptyMap, mergeTrees, type Origin, splitKey, type Tree, wrap } from './tree.js';
import { parseYaml, plainScalar } from './yaml.js';

/**
 * What was typed after --options, as a tree. Either every item is `key=value` (the first one decides) or
 * they are `key value` pairs; keys are dotted, values are YAML.
 * @param strict whether a key without a value is a fault; else it is null or left out, as in the reference
 * @throws ConfigError for an empty key or a value that is no YAML.
 */
export function parseOptions(options: readonly string[], strict = false): Tree {
  let tree = emptyMap({ kind: 'option', option: options.join(' ') });
  for (const { key, value, typed } of splitOptions(options, strict)) {
    const origin: Origin = { kind: 'option', option: typed };
    const path = splitKey(key);
    if (path.length === 0 || path.includes('')) {
      throw new ConfigError(`--options ${typed} names no key`, {
        allowed: 'section.key=value, as in run.max_epoch=2',
      });
    }
    const leaf = strict ? readValue(value, origin) : parseYaml(value, origin);
    tree = mergeTrees(
      tree,
      path.reduceRight<Tree>((below, step) => wrap(step, below, origin), leaf),
    );
  }
  return tree;
}

/**
 * A value as a person means it who types it in a shell. Lists, mappings, quoted and tagged values are YAML; all
 * else is one scalar as it stands, where YAML would see a comment, an anchor or a mapping in a path.
 */
function readValue(value: string, origin: Origin): Tree {
  const text = value.trim();
  const yaml = text.includes('\n') || /^(['"]|!!)/.test(text) || (/^[[{]/.test(text) && !closesEarly(text));
  return yaml ? parseYaml(value, origin) : plainScalar(text, origin);
}

/** `[old] run`: a text, as what follows the bracket makes it no list. */
function closesEarly(text: string): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    if ('[{'.includes(text[i])) depth++;
    else if (']}'.includes(text[i]) && --depth === 0) return i < text.length - 1;
  }
  return false;
}

interface Option {
  key: string;
  value: string;
  /** As the user typed it. */
  typed: string;
}

/** As the reference does it, or with an error where it would pass over what was typed. */
function splitOptions(options: readonly string[], strict: boolean): Option[] {
  if (options.length === 0) return [];
  if (strict && options.includes('=')) {
    throw new ConfigError("--options: a '=' stands alone", {
      where: `--options ${options.join(' ')}`,
      allowed: 'no spaces around it, as in run.max_epoch=2; or none at all: run.max_epoch 2',
    });
  }
  if (options[0].includes('=')) {
    return options.map((typed) => {
      const at = typed.indexOf('=');
      if (at >= 0) return { key: typed.slice(0, at), value: typed.slice(at + 1), typed };
      if (strict) throw withoutValue(typed, `${typed}=VALUE, or ${typed}=null`);
      log.warn(`--options ${typed} has no value: it is set to null (write ${typed}=VALUE)`);
      return { key: typed, value: '', typed };
    });
  }
  const pairs: Option[] = [];
  for (let i = 0; i + 1 < options.length; i += 2) {
    pairs.push({ key: options[i], value: options[i + 1], typed: `${options[i]} ${options[i + 1]}` });
  }
  if (options.length % 2 === 1) {
    const last = options.at(-1)!;
    if (strict) throw withoutValue(last, `${last} VALUE`);
    log.warn(`--options ends with '${last}', a key without a value: it is ignored`);
  }
  return pairs;
}

function withoutValue(key: string, allowed: string): ConfigError {
  return new ConfigError(`--options: '${key}' has no value`, { where: `--options … ${key}`, allowed });
}
