import { DataError } from '../../common/errors.js';
import type { Annotation } from '../annotated/annotations.js';
import { isImageFile } from '../annotated/image_id.js';
import { findSome, fitOf, plainName, type TableForm, type TableKeys } from './columns.js';
import { DELIMITERS, type Delimiter, parseDelimited, type Row } from './delimited.js';

const DELIMITER_NAMES: Record<Delimiter, string> = {
  ',': 'commas',
  ';': 'semicolons',
  '\t': 'tabs',
  '|': 'vertical bars',
};

/**
 * The entries of a table with a header, or of one without whose rows begin with the names of images. What
 * stands between cells is found: commas, semicolons, tabs or vertical bars.
 * @param note told what was found out about the file
 * @throws DataError naming file and line
 */
export function readTable(
  text: string,
  file: string,
  form: TableForm,
  keys: TableKeys,
  note: (text: string) => void,
): Annotation[] {
  // Excel names the delimiter in a first line (sep=;); an empty line in its place keeps line numbers right.
  const table = text.replace(/^sep=([,;\t|])(?=\r|\n)/, '');
  const delimiter = delimiterOf(table, file, form, keys);
  const rows = parseDelimited(table, delimiter, file);
  if (rows.length === 0) return [];
  const told: string[] = [];
  if (delimiter !== usualDelimiter(file)) told.push(`cells are divided by ${DELIMITER_NAMES[delimiter]}`);
  if (rows.quotes === 'backslash') told.push('quotes are escaped by backslashes');
  const header = headerOf(rows, file, form, keys, told);
  if (told.length > 0) note(`${file}: ${told.join('; ')}`);
  const width = header.names.length;
  return header.rows.map((row, index) => {
    const cells = fitted(row, header.names, width);
    if (!cells) throw wrongWidth(row, header.names, delimiter, file);
    const named = header.names.flatMap((name, i) => (name === '' ? [] : [[name, cells[i]] as const]));
    return { values: Object.fromEntries(named), file, index, line: row.line };
  });
}

const usualDelimiter = (file: string): Delimiter => (/\.(tsv|tab)$/i.test(file) ? '\t' : ',');

/** What divides the first row so that columns, or the name of an image, come out; else what stands most often. */
function delimiterOf(text: string, file: string, form: TableForm, keys: TableKeys): Delimiter {
  const first = /[^\r\n]*\S[^\r\n]*/.exec(text)?.[0] ?? '';
  const scored = DELIMITERS.map((delimiter) => {
    const cells = first.split(delimiter).map((cell) =>
      cell
        .trim()
        .replace(/^"(.*)"$/s, '$1')
        .trim(),
    );
    const columns = fitOf(findSome(cells, form, keys), form);
    const named = cells.length > 1 && cells.some((cell) => isImageFile(cell) && !/[,;|]/.test(cell));
    return { delimiter, score: columns === 2 ? 4 : named ? 3 : columns, count: cells.length - 1 };
  });
  const usual = usualDelimiter(file);
  scored.sort(
    (a, b) =>
      b.score - a.score || b.count - a.count || Number(b.delimiter === usual) - Number(a.delimiter === usual),
  );
  return scored[0].count > 0 ? scored[0].delimiter : usual;
}

/** The names of the columns and the rows below them. */
function headerOf(rows: readonly Row[], file: string, form: TableForm, keys: TableKeys, told: string[]) {
  const [{ line, cells }, ...rest] = rows;
  const at = cells.findIndex((cell) => isImageFile(cell));
  if (fitOf(findSome(cells, form, keys), form) === 0 && at >= 0) {
    const filled = cells.filter((cell, i) => i !== at && cell !== '');
    const roles = Object.keys(form.roles).filter((role) => !form.roles[role].optional);
    const named = ['image', ...Object.keys(form.roles)].some((role) => keys[role]);
    if (filled.length !== 1 || roles.length > 1 || named) {
      throw new DataError('a table has no header', {
        where: `${file}:${line}`,
        found: cells.join(' | ').slice(0, 120),
        help: `put the names of the columns into a first line: ${['image', ...roles].join(',')}`,
      });
    }
    told.push(`there is no header; the columns are read as image and ${roles[0]}`);
    const names = cells.map((cell, i) => (i === at ? 'image' : cell === '' ? '' : roles[0]));
    return { names, rows };
  }
  // A delimiter at the end of the header alone, or of every line, makes a column without a name.
  const names = [...cells];
  while (names.at(-1) === '' && rest.every((row) => !row.cells[names.length - 1])) names.pop();
  const repeated = names.filter(
    (name, i) => name && names.findIndex((one) => plainName(one) === plainName(name)) < i,
  );
  if (repeated.length > 0) {
    const [several] = Object.keys(form.roles).filter((role) => form.roles[role].several);
    throw new DataError('a table has two columns with the same name', {
      where: `${file}:${line}`,
      found: names.join(', '),
      allowed: `each name once${several ? `; several ${several}s as ${several}_0, ${several}_1, …` : ''}`,
    });
  }
  return { names, rows: rest };
}

/** The cells of a row as wide as the header, where only empty ones or further texts are missing or over. */
function fitted({ cells }: Row, names: readonly string[], width: number): string[] | undefined {
  if (cells.length === width) return cells;
  if (cells.length > width)
    return cells.slice(width).every((cell) => cell === '') ? cells.slice(0, width) : undefined;
  // Flickr30k's own file lacks the bar after one comment's number.
  const numbered = /^(\d+)\s+(\S.*)$/s.exec(cells.at(-1)!);
  if (cells.length === width - 1 && numbered && plainName(names[width - 2]) === 'comment_number') {
    return [...cells.slice(0, -1), numbered[1], numbered[2]];
  }
  const further = names.slice(cells.length).every((name) => /[1-9]\d*$/.test(name));
  return further ? [...cells, ...Array<string>(width - cells.length).fill('')] : undefined;
}

function wrongWidth(
  { line, cells }: Row,
  names: readonly string[],
  delimiter: Delimiter,
  file: string,
): DataError {
  const example = delimiter === '\t' ? undefined : `"a dog${delimiter} asleep"`;
  return new DataError('a row has a different number of cells than the header', {
    where: `${file}:${line}`,
    found: `${cells.length} cells: ${cells.join(' | ').slice(0, 120)}`,
    allowed: `${names.length}: ${names.join(', ')}`,
    help:
      cells.length > names.length && example
        ? `a cell with one of the ${DELIMITER_NAMES[delimiter]} stands in quotes: ${example}`
        : undefined,
  });
}
