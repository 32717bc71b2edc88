import { LavisError } from '../../common/errors.js';
import { parseJson } from '../../common/json.js';

/** The value of a line, from 1. */
export interface JsonLine {
  value: unknown;
  line: number;
}

const WHAT = 'an annotation file';
const HELP =
  'fetch it again if it was cut short; tables (.csv, .tsv, .txt) are read by the datasets custom_…';

/**
 * The root of a JSON file, or the values of JSON Lines, whichever the text is: the name does not decide.
 * @throws DataError naming file, line and column
 */
export function parseJsonFile(text: string, file: string): { root: unknown } | { lines: JsonLine[] } {
  const named = /\.(jsonl|ndjson)$/i.test(file);
  const whole = tryParse(text);
  // A single object is JSON Lines of one line where the name says so.
  if (whole && (!named || Array.isArray(whole.value))) return { root: whole.value };
  const lines = text.split(/\r\n|\n|\r/).flatMap((part, i) => (part.trim() ? [{ part, line: i + 1 }] : []));
  const first = lines[0]?.part.trimStart();
  const isLines = named ? first?.startsWith('{') : lines.length > 1 && tryParse(first) !== undefined;
  if (!isLines || (whole && lines.length > 1))
    return { root: whole?.value ?? parseJson(text, WHAT, file, HELP) };
  return {
    lines: lines.map(({ part, line }) => ({
      value: (tryParse(part) ?? { value: parseJson(`${'\n'.repeat(line - 1)}${part}`, WHAT, file, HELP) })
        .value,
      line,
    })),
  };
}

/** The value, or undefined for what is not JSON. */
function tryParse(text: string): { value: unknown } | undefined {
  if (!/\S/.test(text)) return undefined;
  try {
    return { value: parseJson(text, WHAT, '') };
  } catch (thrown) {
    if (thrown instanceof LavisError) return undefined;
    throw thrown;
  }
}
