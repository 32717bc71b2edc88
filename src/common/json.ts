import { DataError, messageOf } from './errors.js';

/**
 * Parses JSON; `NaN` and `Infinity`, which Python writes, are read as null.
 * @param what the file as a message names it: 'the ground truth'
 * @throws DataError that names file, line and column where they can be known, and what Python wrote instead
 */
export function parseJson(text: string, what: string, file: string, help?: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const finite = parseFinite(text);
    if (finite !== undefined) return finite;
    const fault = faultOf(text, messageOf(cause));
    const where = fault.at === undefined ? file : `${file}:${placeOf(text, fault.at)}`;
    throw new DataError(`${what} is not JSON`, {
      where,
      found: fault.found,
      allowed: fault.allowed,
      help: fault.help ?? help,
      cause,
    });
  }
}

/** A float32 number as JSON and tables show it: without the digits that it does not have. */
export const sevenDigits = (value: number) => Number(value.toPrecision(7));

interface Fault {
  /** Where in the text. */
  at?: number;
  found: string;
  allowed?: string;
  help?: string;
}

/** A string, or what Python writes that JSON does not have. */
const WORDS = /"(?:[^"\\]|\\.)*"|(-?\bInfinity\b|\bNaN\b)|(\bNone\b|\bTrue\b|\bFalse\b)/g;

function parseFinite(text: string): unknown {
  if (!/NaN|Infinity/.test(text)) return undefined;
  try {
    return JSON.parse(text.replace(WORDS, (part, number?: string) => (number ? 'null' : part)));
  } catch {
    return undefined;
  }
}

function faultOf(text: string, message: string): Fault {
  if (text.trim() === '') return { found: 'an empty file' };
  for (const { 2: word, index } of text.matchAll(WORDS)) {
    if (word === undefined) continue;
    const allowed = word === 'None' ? 'null' : word.toLowerCase();
    return { at: index, found: word, allowed, help: 'json.dump, not str or repr, writes JSON' };
  }
  if (isLines(text)) {
    return { found: 'one JSON value a line', help: 'put the values of its lines into one list' };
  }
  if (/end of JSON|Unterminated string/.test(message)) {
    return {
      at: text.trimEnd().length,
      found: 'the end of the file in the middle of a value',
      help: 'fetch or write it again',
    };
  }
  const position = /position (\d+)/.exec(message);
  return { at: position ? Number(position[1]) : undefined, found: message.replace(/\s+/g, ' ') };
}

function isLines(text: string): boolean {
  const lines = text.split('\n', 50).filter((line) => line.trim());
  if (lines.length < 2) return false;
  return lines.slice(0, 2).every((line) => {
    try {
      return typeof JSON.parse(line) === 'object';
    } catch {
      return false;
    }
  });
}

/** '3:17' */
function placeOf(text: string, at: number): string {
  const before = text.slice(0, at).split('\n');
  return `${before.length}:${before[before.length - 1].length + 1}`;
}
