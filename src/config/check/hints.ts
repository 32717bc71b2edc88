import { alternatives, type JsonSchema } from '../schema/describe.js';
import { deceptiveIn } from '../syntax_help.js';
import { isPlainObject, type PlainValue, type Tree } from '../tree.js';

/** A value that its key cannot have. */
export interface WrongValue {
  /** The last part of its key. */
  key: string;
  value: PlainValue;
  /** How it was written, where that is known. */
  tree?: Tree;
  expected?: JsonSchema;
}

/** What was usually meant, and how that is written; undefined where nothing comes to mind. */
export function hintFor(wrong: WrongValue): string | undefined {
  const { value, tree, expected } = wrong;
  if (!expected || value === null) return undefined;
  const kinds = new Set(alternatives(expected).map(({ type }) => type));
  const wants = (...names: string[]) => names.some((name) => kinds.has(name));
  if (typeof value === 'string') {
    const held = deceptiveIn(value, !wants('string'));
    if (held) return `it holds ${held}: type it again`;
    const variable = environmentVariable(wrong);
    if (variable && !wants('string')) {
      return `${variable} makes ${wants('number', 'integer') ? 'a number' : 'a value'} of it`;
    }
    if (wants('number', 'integer')) return numberHint(value, isQuoted(wrong), !wants('number'));
    if (wants('boolean')) return flagHint(wrong, value);
    if (wants('array')) return listHint(wrong, value);
    if (wants('object') && /^[\w.]+: +\S/.test(value)) return written(wrong, `{${value}}`);
    return undefined;
  }
  if (typeof value === 'number' && wants('number', 'integer')) {
    if (!Number.isFinite(value)) return 'a finite number';
    return Number.isSafeInteger(value) || !Number.isInteger(value)
      ? undefined
      : `at most ${Number.MAX_SAFE_INTEGER}`;
  }
  if (typeof value === 'boolean' || typeof value === 'number') {
    const text = tree?.kind === 'scalar' && tree.written !== undefined ? tree.written : String(value);
    if (wants('string'))
      return `text that looks like ${typeof value === 'number' ? 'a number' : 'True or False'} goes in quotes: ${written(wrong, `"${text}"`)}`;
    if (wants('array')) return written(wrong, `[${text}]`);
    if (wants('boolean'))
      return value === 0 || value === 1 ? written(wrong, value === 1 ? 'True' : 'False') : undefined;
    return undefined;
  }
  if (isPlainObject(value)) {
    const keys = Object.keys(value);
    if (wants('array') && keys.length > 0 && keys.every((key) => value[key] === null)) {
      return written(wrong, `[${keys.join(', ')}]`);
    }
    return undefined;
  }
  if (Array.isArray(value) && wants('object') && value.some(isPlainObject)) {
    return 'a mapping has no - before its keys';
  }
  if (Array.isArray(value) && value.length === 1 && typeof value[0] !== 'object' && !wants('array')) {
    return written(wrong, String(value[0]));
  }
  return undefined;
}

/** As a line of the file, or as an option that a shell leaves alone. */
function written({ key, tree }: WrongValue, value: string): string {
  if (/^\d+$/.test(key)) return value; // an item of a list
  const option = tree?.origin.option;
  if (option === undefined) return `${key}: ${value}`;
  const name = option.split(/[= ]/)[0];
  return /["'[\]{}, *&#]/.test(value) ? `--options '${name}=${value}'` : `--options ${name}=${value}`;
}

const isQuoted = ({ tree, value }: WrongValue) =>
  tree?.kind === 'scalar' && tree.value === value && tree.written === undefined;

/** A variable of the environment is a text, whatever it looks like. */
function environmentVariable({ tree, value }: WrongValue): string | undefined {
  const text = tree?.kind === 'scalar' ? String(tree.value) : '';
  const variable = /\$\{oc\.env:[^}]*\}/.exec(text)?.[0];
  if (!variable || text === value) return undefined;
  return `an environment variable is a text; \${oc.decode:${variable}}`;
}

function numberHint(text: string, quoted: boolean, whole: boolean): string | undefined {
  const plain = text.trim();
  if (plain !== '' && quoted && Number.isFinite(Number(plain))) return 'write it without quotes';
  if (/^(none|nil|nan|n\/?a|undefined|auto|default|-)$/i.test(plain)) {
    return 'write null, or leave the key out: YAML has no other word for nothing';
  }
  const octal = /^([-+]?)0o([0-7]+)$/i.exec(plain);
  if (octal) return `write ${octal[1]}${Number.parseInt(octal[2], 8)}: 0o begins no number in YAML 1.1`;
  if (/^[-+]?[1-9]\d{0,2}(,\d{3})+$/.test(plain)) {
    const point = plain.split(',').length === 2 ? `, or ${plain.replace(',', '.')} with a decimal point` : '';
    return `write ${plain.replaceAll(',', '')} without a separator${point}`;
  }
  if (/^[-+]?\d*,\d+(e[-+]?\d+)?$/i.test(plain)) return `a decimal point: ${plain.replace(',', '.')}`;
  if (/^[-+]?\d{1,3}([ '.]\d{3})+$/.test(plain))
    return `write ${plain.replaceAll(/[ '.]/g, '')} without a separator`;
  const percent = /^([-+]?[\d.]+) ?%$/.exec(plain);
  if (percent && !whole) return `a share of 1: ${shortest(Number(percent[1]) / 100)}`;
  const scaled = /^([-+]?[\d.]+) ?([kKmM])$/.exec(plain);
  if (scaled) return `write ${shortest(Number(scaled[1]) * (/k/i.test(scaled[2]) ? 1e3 : 1e6))}`;
  const result = calculated(plain);
  if (result !== undefined && (!whole || Number.isInteger(result)))
    return `YAML does no arithmetic: write ${shortest(result)}`;
  if (/^[-+\d.eE]+[,;]$/.test(plain)) return `leave out the ${plain.at(-1)} after it`;
  if (/^[-+\d.eE]+ *(#|\/\/)/.test(plain)) {
    return 'a comment begins with a space and #; an option has none';
  }
  return undefined;
}

/** The result of `a*b`, `a/b` or `a**b`, powers before the rest; undefined for anything else. */
function calculated(text: string): number | undefined {
  const number = String.raw`([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)`;
  const parts = new RegExp(
    `^${number} *(\\*\\*|\\^|\\*|/) *${number}(?: *(\\*\\*|\\^) *${number})?$`,
    'i',
  ).exec(text);
  if (!parts) return undefined;
  const [, a, operator, b, power, c] = parts;
  const right = power ? Number(b) ** Number(c) : Number(b);
  if (operator === '*') return Number(a) * right;
  return operator === '/' ? Number(a) / right : Number(a) ** right;
}

const shortest = (value: number) => String(Number(value.toPrecision(12)));

function flagHint(wrong: WrongValue, text: string): string | undefined {
  const plain = text.trim().toLowerCase();
  if (isQuoted(wrong) && /^(true|false|yes|no|on|off)$/.test(plain)) return 'write it without quotes';
  if (/^(y|t|1|enabled?|\.?true\.?)$/.test(plain)) return written(wrong, 'True');
  if (/^(n|f|0|disabled?|none|\.?false\.?)$/.test(plain)) return written(wrong, 'False');
  return undefined;
}

function listHint(wrong: WrongValue, text: string): string | undefined {
  const inner = text
    .trim()
    .replace(/^[([{]|[)\]}]$/g, '')
    .replace(/^- +/, '');
  const items = inner
    .split(/[\s,;|+]+/)
    .map((item) => item.replaceAll(/^["']|["']$/g, ''))
    .filter(Boolean);
  return items.length > 0 ? written(wrong, `[${items.join(', ')}]`) : undefined;
}
