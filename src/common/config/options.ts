import { ConfigError } from '../errors.js';
import { log } from '../logging.js';
import { emptyMap, mergeTrees, type Origin, splitKey, type Tree, wrap } from './tree.js';
import { parseYaml } from './yaml.js';

/**
 * What was typed after --options, as a tree. Either every item is `key=value` (the first one decides) or
 * they are `key value` pairs; keys are dotted, values are YAML.
 * @throws ConfigError for an empty key or a value that is no YAML.
 */
export function parseOptions(options: readonly string[]): Tree {
  let tree = emptyMap({ kind: 'option', option: options.join(' ') });
  for (const { key, value, typed } of splitOptions(options)) {
    const origin: Origin = { kind: 'option', option: typed };
    const path = splitKey(key);
    if (path.length === 0 || path.includes('')) {
      throw new ConfigError(`--options ${typed} names no key`, {
        allowed: 'section.key=value, as in run.max_epoch=2',
      });
    }
    const leaf: Tree = parseYaml(value, origin);
    tree = mergeTrees(
      tree,
      path.reduceRight<Tree>((below, step) => wrap(step, below, origin), leaf),
    );
  }
  return tree;
}

interface Option {
  key: string;
  value: string;
  /** As the user typed it. */
  typed: string;
}

function splitOptions(options: readonly string[]): Option[] {
  if (options.length === 0) return [];
  if (options[0].includes('=')) {
    return options.map((typed) => {
      const at = typed.indexOf('=');
      if (at >= 0) return { key: typed.slice(0, at), value: typed.slice(at + 1), typed };
      log.warn(`--options ${typed} has no value: it is set to null (write ${typed}=VALUE)`);
      return { key: typed, value: '', typed };
    });
  }
  const pairs: Option[] = [];
  for (let i = 0; i + 1 < options.length; i += 2) {
    pairs.push({ key: options[i], value: options[i + 1], typed: `${options[i]} ${options[i + 1]}` });
  }
  if (options.length % 2 === 1) {
    log.warn(`--options ends with '${options.at(-1)}', a key without a value: it is left out`);
  }
  return pairs;
}
