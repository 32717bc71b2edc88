import type { ByteReader } from './byte_reader.js';
import { LIMITS } from './limits.js';

/** Numbers and texts as the instructions of a pickle write them, in bytes or, in protocol 0, in a line of text. */
export class Literals {
  /** @param error what to throw for one that cannot be read */
  constructor(
    private readonly reader: ByteReader,
    private readonly error: (what: string, found?: string) => Error,
  ) {}

  /** The length of what follows, in eight bytes. */
  length8(): number {
    const length = this.reader.take(8).readBigUInt64LE();
    if (length > BigInt(LIMITS.pickleBytes)) throw this.error('is damaged', `a text of ${length} bytes`);
    return Number(length);
  }

  long(length: number): number | bigint {
    if (length > LIMITS.integerBytes) throw this.error(`holds a whole number of ${length} bytes`);
    if (length === 0) return 0;
    const bytes = this.reader.take(length);
    const hex = Buffer.from(bytes).reverse().toString('hex');
    return narrow(BigInt.asIntN(length * 8, BigInt(`0x${hex}`)));
  }

  textInt(): number | bigint | boolean {
    const text = this.reader.line(LIMITS.integerBytes);
    if (text === '00') return false;
    if (text === '01') return true;
    return this.#parseInt(text);
  }

  textLong(): number | bigint {
    return this.#parseInt(this.reader.line(LIMITS.integerBytes).replace(/L$/, ''));
  }

  #parseInt(text: string): number | bigint {
    if (!/^\s*[+-]?\d+\s*$/.test(text))
      throw this.error('is damaged', `'${text.slice(0, 40)}' for a whole number`);
    return narrow(BigInt(text.trim().replace(/^\+/, '')));
  }

  textFloat(): number {
    const text = this.reader.line(LIMITS.integerBytes).trim();
    if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return Number(text);
    const special = /^([+-]?)(inf|infinity|nan)$/i.exec(text);
    if (!special) throw this.error('is damaged', `'${text.slice(0, 40)}' for a number`);
    const value = special[2].toLowerCase() === 'nan' ? Number.NaN : Number.POSITIVE_INFINITY;
    return special[1] === '-' ? -value : value;
  }

  textIndex(): number {
    const text = this.reader.line(20);
    if (!/^\d+$/.test(text)) throw this.error('is damaged', `'${text.slice(0, 40)}' for a place in the memo`);
    return Number(text);
  }

  textString(): string {
    const text = this.reader.line(LIMITS.pickleBytes).trim();
    const quote = text[0];
    if (text.length < 2 || (quote !== '"' && quote !== "'") || !text.endsWith(quote)) {
      throw this.error('is damaged', 'a text without quotes');
    }
    return pythonEscape(text.slice(1, -1));
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** `raw-unicode-escape`, protocol 0's text. */
export function rawUnicodeEscape(text: string): string {
  return text.replace(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (whole, short, long) => {
    const code = Number.parseInt(short ?? long, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

const ESCAPES: Record<string, string> = { n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b', f: '\f', v: '\v' };

function pythonEscape(text: string): string {
  return text.replace(/\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|[\s\S])/g, (_, code: string) => {
    if (code[0] === 'x' && code.length === 3) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    if (/^[0-7]+$/.test(code)) return String.fromCharCode(Number.parseInt(code, 8));
    return ESCAPES[code] ?? code;
  });
}
