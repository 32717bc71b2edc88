import { DataError, LavisError } from '../../../common/errors.js';
import { parseJson } from '../../../common/json.js';
import { decodeText } from '../../../common/text_file.js';
import { isNothing } from '../../annotated/annotations.js';

/** Keys of a sample's JSON under which its caption, or a list of them, is looked for, in this order. */
const KEYS = ['caption', 'captions', 'text', 'texts', 'description', 'sentence', 'sentences'];

/** A caption that is longer than this was meant for something else. */
const LONGEST = 1 << 20;

/**
 * The captions of a sample.
 * @param bytes of its text, or of its JSON
 * @param where shard and name, for messages
 * @throws DataError for another encoding than UTF-8 and UTF-16, what is not JSON object, and no caption
 */
export function captionsOf(bytes: Buffer, isJson: boolean, where: string): string[] {
  if (bytes.length > LONGEST) {
    throw new DataError("a sample's caption is too long", { where, found: `${bytes.length} bytes` });
  }
  const captions = isJson ? fromJson(decode(bytes, where), where) : [decode(bytes, where).trim()];
  const nothing = captions.find(isNothing);
  if (nothing === undefined) return captions;
  throw new DataError("a sample's caption is empty", {
    where,
    found: nothing === '' ? `${bytes.length} bytes without a word` : `the text '${nothing}'`,
  });
}

function decode(bytes: Buffer, where: string): string {
  try {
    return decodeText(bytes, where, { what: "a sample's caption" });
  } catch (thrown) {
    if (!(thrown instanceof LavisError)) throw thrown;
    const { found, allowed } = thrown.details;
    throw new DataError(thrown.headline, { where, found, allowed, help: 'write the shard again in UTF-8' });
  }
}

function fromJson(text: string, where: string): string[] {
  const root = parseJson(text, "a sample's JSON", where);
  if (typeof root !== 'object' || root === null || Array.isArray(root)) {
    throw new DataError("a sample's JSON is not an object", {
      where,
      found: text.slice(0, 80).trim(),
      allowed: '{"caption": "…"}',
    });
  }
  const values = root as Record<string, unknown>;
  const key = KEYS.find((name) => values[name] !== undefined);
  if (key === undefined) {
    throw new DataError("a sample's JSON lacks the key 'caption'", {
      where,
      found: `keys ${Object.keys(values).join(', ') || '(none)'}`,
      allowed: KEYS.join(', '),
    });
  }
  const list: unknown[] = Array.isArray(values[key]) ? values[key] : [values[key]];
  if (list.length > 0 && list.every((one) => typeof one === 'string')) return list.map((one) => one.trim());
  throw new DataError(`a sample's '${key}' is not a caption`, {
    where,
    found: JSON.stringify(values[key])?.slice(0, 80),
    allowed: 'text, or a list of texts',
  });
}
