import { type CsvError, type Options, parse } from 'csv-parse/sync';
import { DataError } from '../../common/errors.js';
import { isImageFile } from '../annotated/image_id.js';

/** A row of a table, and the line it begins on. */
export interface Row {
  line: number;
  cells: string[];
}

/** How a table is written. */
interface Dialect {
  delimiter: Delimiter;
  /** 'doubled' as RFC 4180 says, 'backslash' before a quote, 'plain' where quotes are like any character. */
  quotes: 'doubled' | 'backslash' | 'plain';
}

export type Delimiter = ',' | ';' | '\t' | '|';
export const DELIMITERS: readonly Delimiter[] = [',', ';', '\t', '|'];

/**
 * Rows of delimited values, blanks around cells taken off, empty rows left out. The quotes are found by
 * trying: first as RFC 4180 has them, then escaped by backslashes, then as characters like any other, as
 * tables with tabs or bars usually have them.
 * @throws DataError naming the line where quotes fit none of these, or swallow rows.
 */
export function parseDelimited(text: string, delimiter: Delimiter, file: string): Row[] & { quotes: string } {
  const ways: Dialect['quotes'][] = ['doubled'];
  if (text.includes('\\"')) ways.push('backslash');
  // Between commas a stray quote may mean anything; cells that merely contain one are read all the same.
  ways.push('plain');
  let fault: CsvError | undefined;
  for (const quotes of ways) {
    try {
      const rows = parseAs(text, { delimiter, quotes });
      if (quotes === 'plain' && fault && (delimiter === ',' || delimiter === ';'))
        refuseStray(rows, fault, file);
      refuseSwallowed(rows, delimiter, file);
      return Object.assign(rows, { quotes });
    } catch (thrown) {
      if (thrown instanceof DataError) throw thrown;
      fault ??= thrown as CsvError;
    }
  }
  throw quoteError(fault!, file);
}

function parseAs(text: string, { delimiter, quotes }: Dialect): Row[] {
  const options: Options = {
    delimiter,
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
    trim: true,
    ...(quotes === 'plain' ? { quote: false } : quotes === 'backslash' ? { escape: '\\' } : {}),
  };
  // csv-parse can tell lines itself (`info`), at three times the time.
  let next = 1;
  const rows = parse(text, options).map((cells) => {
    const line = next;
    next +=
      1 + cells.reduce((ends, cell) => ends + (/[\r\n]/.test(cell) ? cell.split(LINE_END).length - 1 : 0), 0);
    return { line, cells };
  });
  return rows.filter(({ cells }) => cells.some((cell) => cell !== ''));
}

const LINE_END = /\r\n|\n|\r/;

/** A quote that opens a cell but does not close it would leave half of what is quoted in the next cell. */
function refuseStray(rows: readonly Row[], fault: CsvError, file: string): void {
  for (const { line, cells } of rows) {
    if (cells.some((cell) => cell.startsWith('"'))) throw quoteError(fault, file, line);
  }
}

function quoteError(fault: CsvError, file: string, line?: number): DataError {
  const at = line ?? (fault as CsvError & { lines?: number }).lines;
  const open = fault.code === 'CSV_QUOTE_NOT_CLOSED';
  return new DataError(open ? 'a quoted cell never ends' : 'the quotes of a cell do not pair', {
    where: `${file}:${at}`,
    found: fault.message,
    allowed:
      'a cell with commas or line ends stands in quotes, a quote inside it is doubled: "a ""big"" dog, asleep"',
    cause: fault,
  });
}

/** A missing quote makes one cell of many rows, up to the next quote. */
function refuseSwallowed(rows: readonly Row[], delimiter: Delimiter, file: string): void {
  for (const { line, cells } of rows) {
    const swallowed = cells.find(
      (cell) =>
        LINE_END.test(cell) &&
        cell.split(LINE_END).some((part, i) => i > 0 && isImageFile(part.split(delimiter)[0].trim())),
    );
    if (swallowed === undefined) continue;
    throw new DataError('a quoted cell runs over other rows', {
      where: `${file}:${line}`,
      found: JSON.stringify(swallowed.slice(0, 120)),
      help: 'a quote is missing where this cell ends',
    });
  }
}
