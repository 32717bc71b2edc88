import { isPlainObject } from '../tree.js';
import type { JsonSchema } from './describe.js';

/** Shorter parts are not worth a reference. */
const LEAST_CHARACTERS = 160;

/**
 * The schema with every part that stands in it more than once moved to `$defs`, under the name of the key where
 * it is first found.
 */
export function shareParts(schema: JsonSchema): JsonSchema {
  const counts = new Map<string, number>();
  const texts = new Map<JsonSchema, string>();
  count(schema);

  function count(part: JsonSchema): void {
    const text = JSON.stringify(part);
    texts.set(part, text);
    counts.set(text, (counts.get(text) ?? 0) + 1);
    // what stands in a part that is counted already is counted with it
    if (counts.get(text) !== 1) return;
    mapParts(part, (inner) => {
      count(inner);
      return inner;
    });
  }

  const definitions: Record<string, JsonSchema> = {};
  const references = new Map<string, string>();
  const replaced = (part: JsonSchema, name: string): JsonSchema => {
    const text = texts.get(part) ?? JSON.stringify(part);
    if (text.length < LEAST_CHARACTERS || (counts.get(text) ?? 0) < 2) return mapParts(part, replaced);
    let known = references.get(text);
    if (!known) {
      known = freeName({ ...(schema.$defs as object), ...definitions }, name);
      references.set(text, known);
      definitions[known] = {}; // takes the name before parts inside look for theirs
      definitions[known] = mapParts(part, replaced);
    }
    return { $ref: `#/$defs/${known}` };
  };
  const { $defs, ...rest } = mapParts(schema, replaced);
  return { ...rest, $defs: { ...($defs as Record<string, JsonSchema>), ...definitions } };
}

function freeName(taken: object, name: string): string {
  for (let i = 1; ; i++) {
    const free = i === 1 ? name : `${name}_${i}`;
    if (!Object.hasOwn(taken, free)) return free;
  }
}

/** The same schema with its parts exchanged. @param change told the key that a part is nearest to */
function mapParts(
  schema: JsonSchema,
  change: (part: JsonSchema, name: string) => JsonSchema,
  name = 'part',
): JsonSchema {
  const result: JsonSchema = { ...schema };
  const part = (inner: unknown, key: string) =>
    isPlainObject(inner) ? change(inner as JsonSchema, key) : inner;
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === 'properties' || keyword === '$defs') {
      result[keyword] = Object.fromEntries(
        Object.entries(value as object).map(([key, inner]) => [key, part(inner, key)]),
      ) as Record<string, JsonSchema>;
    } else if (Array.isArray(value) && /^(anyOf|allOf)$/.test(keyword)) {
      result[keyword] = value.map((inner) => part(inner, name)) as JsonSchema[];
    } else if (/^(items|additionalProperties|then)$/.test(keyword)) {
      result[keyword] = part(value, name) as JsonSchema;
    }
  }
  return result;
}
