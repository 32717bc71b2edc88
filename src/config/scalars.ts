/**
 * How OmegaConf reads a plain scalar: YAML 1.1 (yes/no/on/off, 010 is octal, 1:30 is sexagesimal), with
 * `1e-5` a number although YAML 1.1 asks for a dot, and dates left as strings.
 */
const NULL = /^(?:~|null|Null|NULL|)$/;
const TRUE = /^(?:yes|Yes|YES|true|True|TRUE|on|On|ON)$/;
const FALSE = /^(?:no|No|NO|false|False|FALSE|off|Off|OFF)$/;
const INT = /^[-+]?(?:0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|[1-9][0-9_]*(?::[0-5]?[0-9])+)$/;
const FLOAT = new RegExp(
  [
    '^(?:[-+]?[0-9][0-9_]*\\.[0-9_]*(?:[eE][-+]?[0-9]+)?',
    '[-+]?[0-9]+(?:_[0-9]+)*[eE][-+]?[0-9]+',
    '\\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?',
    '[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\\.[0-9_]*',
    '[-+]?\\.(?:inf|Inf|INF)',
    '\\.(?:nan|NaN|NAN))$',
  ].join('|'),
);

/** The value of an unquoted, untagged scalar. */
export function readScalar(text: string): string | number | boolean | null {
  if (NULL.test(text)) return null;
  if (TRUE.test(text)) return true;
  if (FALSE.test(text)) return false;
  if (INT.test(text)) return readInt(text);
  if (FLOAT.test(text)) return readFloat(text);
  return text;
}

/** The value of a scalar tagged `!!str`, `!!int`, …; undefined where the text does not fit the tag. */
export function readTagged(tag: string, text: string): string | number | boolean | null | undefined {
  switch (tag) {
    case 'str':
      return text;
    case 'int':
      return INT.test(text) ? readInt(text) : undefined;
    case 'float':
      return FLOAT.test(text) || INT.test(text) ? readFloat(text) : undefined;
    case 'bool':
      return TRUE.test(text) ? true : FALSE.test(text) ? false : undefined;
    case 'null':
      return NULL.test(text) ? null : undefined;
    default:
      return undefined;
  }
}

function readInt(text: string): number {
  const { sign, digits } = split(text);
  if (digits === '0') return 0;
  if (digits.startsWith('0b')) return sign * Number.parseInt(digits.slice(2), 2);
  if (digits.startsWith('0x')) return sign * Number.parseInt(digits.slice(2), 16);
  if (digits.startsWith('0')) return sign * Number.parseInt(digits, 8);
  if (digits.includes(':')) return sign * sexagesimal(digits);
  return sign * Number(digits);
}

function readFloat(text: string): number {
  const { sign, digits } = split(text.toLowerCase());
  if (digits === '.inf') return sign * Number.POSITIVE_INFINITY;
  if (digits === '.nan') return Number.NaN;
  return sign * (digits.includes(':') ? sexagesimal(digits) : Number(digits));
}

function split(text: string): { sign: 1 | -1; digits: string } {
  const plain = text.replaceAll('_', '');
  return { sign: plain.startsWith('-') ? -1 : 1, digits: plain.replace(/^[-+]/, '') };
}

const sexagesimal = (digits: string) => digits.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
