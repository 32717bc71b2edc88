/** Whether there is no text: of an answer, "none" is one. */
export const isBlank = (value: unknown): boolean =>
  value === undefined || value === null || (typeof value === 'string' && /^\s*(|nan|null)\s*$/i.test(value));

/**
 * The texts of a list that was written into a cell, as JSON, as Python's repr or as NumPy prints it;
 * undefined where the text is not a list. @throws RangeError for what begins as a list and cannot be read.
 */
export function listInCell(text: string): unknown[] | undefined {
  if (!/^\s*[[(]/.test(text)) return undefined;
  const trimmed = text.trim();
  if (!/^\[.*\]$/s.test(trimmed) && !/^\(\s*['"].*\)$/s.test(trimmed)) return undefined;
  try {
    const value: unknown = JSON.parse(trimmed);
    if (Array.isArray(value)) return value;
  } catch {
    // not JSON: Python's, perhaps
  }
  const inner = trimmed.slice(1, -1).trim();
  if (inner === '') return [];
  if (LITERALS.test(inner)) return [...inner.matchAll(LITERAL)].map(([literal]) => unquoted(literal));
  // Brackets alone may be a text's own.
  if (!/^['"{[]|['"}\]]$/.test(inner)) return undefined;
  throw new RangeError('it looks like a list, but is neither JSON nor a list of texts as Python writes it');
}

const LITERAL = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\b(?:None|nan)\b/gs;
const LITERALS = new RegExp(
  `^(?:${LITERAL.source})(?:\\s*,\\s*(?:${LITERAL.source})|\\s+(?:${LITERAL.source}))*\\s*,?$`,
  's',
);

const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r' };

/** The text of a Python literal. */
function unquoted(literal: string): string | null {
  if (!/^['"]/.test(literal)) return null;
  return literal
    .slice(1, -1)
    .replace(/\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))/gis, (_, two, four, eight, one) =>
      one ? (ESCAPES[one] ?? one) : String.fromCodePoint(Number.parseInt(two ?? four ?? eight, 16)),
    );
}
