import { DataError, messageOf } from '../../../common/errors.js';

/** The value of a line, from 1. */
export interface JsonLine {
  value: unknown;
  line: number;
}

/**
 * The root of a JSON file, or the values of JSON Lines, whichever the text is: the name does not decide.
 * `NaN` and `Infinity`, which Python writes, are read as null.
 * @throws DataError naming file and line.
 */
export function parseJsonFile(text: string, file: string): { root: unknown } | { lines: JsonLine[] } {
  if (text.trim() === '') throw notJson(file, 'an empty file');
  const whole = attempt(text);
  if ('value' in whole) {
    // A single object is JSON Lines of one line where the name says so.
    return /\.(jsonl|ndjson)$/i.test(file) && !Array.isArray(whole.value)
      ? { lines: [{ value: whole.value, line: text.slice(0, text.search(/\S/)).split('\n').length }] }
      : { root: whole.value };
  }
  const lines = text
    .split(/\r\n|\n|\r/)
    .flatMap((part, i) => (part.trim() ? [{ text: part, line: i + 1 }] : []));
  // Only a whole object on the first line makes it JSON Lines; a list over many lines has none.
  if (lines.length < 2 || !('value' in attempt(lines[0].text))) throw notJson(file, whole.fault, text);
  return {
    lines: lines.map(({ text: part, line }) => {
      const parsed = attempt(part);
      if ('value' in parsed) return { value: parsed.value, line };
      throw notJson(`${file}:${line}`, parsed.fault);
    }),
  };
}

function attempt(text: string): { value: unknown } | { fault: string } {
  try {
    return { value: JSON.parse(text) };
  } catch (thrown) {
    const fault = messageOf(thrown);
    if (!/NaN|Infinity/.test(text)) return { fault };
    try {
      return {
        value: JSON.parse(text.replace(NOT_FINITE, (part) => (part.startsWith('"') ? part : 'null'))),
      };
    } catch {
      return { fault };
    }
  }
}

/** A string, which stays, or a number that JSON does not have. */
const NOT_FINITE = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;

function notJson(where: string, found: string, text = ''): DataError {
  const at = /position (\d+)/.exec(found);
  const line = at ? `:${text.slice(0, Number(at[1])).split('\n').length}` : '';
  return new DataError('an annotation file is not JSON', {
    where: text ? `${where}${line}` : where,
    found: found.replaceAll(/\p{Cc}/gu, ' '),
    allowed: 'JSON, or one JSON object a line; tables are named .csv, .tsv or .txt',
    help: 'fetch or export it again if it was cut short',
  });
}
