import { DataError } from '../../../common/errors.js';

/** A row of a table, and the line it begins on. */
export interface Row {
  line: number;
  cells: string[];
}

/** Rows of comma-separated values, quoted as RFC 4180 says. @throws DataError for a quote that never ends. */
export function parseCsv(text: string, file: string): Row[] {
  const rows: Row[] = [];
  let at = 0;
  let line = 1;
  while (at < text.length) {
    const row: Row = { line, cells: [] };
    for (let more = true; more; ) {
      const cell = text[at] === '"' ? quotedCell(text, at, `${file}:${line}`) : plainCell(text, at);
      line += cell.value.split('\n').length - 1;
      row.cells.push(cell.value);
      more = text[cell.end] === ',';
      at = cell.end + 1;
      if (!more && text[cell.end] === '\r' && text[at] === '\n') at++;
    }
    line++;
    if (row.cells.some((cell) => cell !== '')) rows.push(row);
  }
  return rows;
}

function plainCell(text: string, start: number): { value: string; end: number } {
  let end = start;
  while (end < text.length && !',\r\n'.includes(text[end])) end++;
  return { value: text.slice(start, end), end };
}

function quotedCell(text: string, start: number, where: string): { value: string; end: number } {
  let end = start + 1;
  while (text[end] !== '"' || text[end + 1] === '"') {
    if (end >= text.length) throw new DataError('a quoted cell never ends', { where });
    end += text[end] === '"' ? 2 : 1;
  }
  const value = text.slice(start + 1, end).replaceAll('""', '"');
  const rest = plainCell(text, end + 1);
  return { value: value + rest.value, end: rest.end };
}

/** Rows of tab-separated values; quotes are characters like any other. */
export function parseTsv(text: string): Row[] {
  return text.split(/\r?\n/).flatMap((line, i) => (line ? [{ line: i + 1, cells: line.split('\t') }] : []));
}
