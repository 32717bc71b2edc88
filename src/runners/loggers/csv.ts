import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { csvCell } from '../../common/csv.js';
import { writeFileAtomic } from '../../common/files.js';
import { registry } from '../../common/registry.js';
import { key, section, types } from '../../config/index.js';
import type { Run, RunHook } from '../hooks.js';
import { type MetricsLine, numbersIn, readMetrics } from '../metrics_log.js';
import { writeOrWarn } from '../run_folder.js';

const options = section({
  file: key(types.text, 'metrics.csv', "The table's name in the run's folder."),
});

/** What says where a row belongs; the columns of numbers come behind these, in the order in which they are first met. */
const PLACE = ['time', 'kind', 'epoch', 'iteration', 'step', 'split', 'label', 'best'] as const;

/**
 * Writes the lines of metrics.jsonl as a table that spreadsheets open: a row each. A line with numbers that none before
 * it had (the first evaluation, say) adds their columns at the end: the table is written anew then, and so it is where a
 * resumed run takes rows back. Source of the form: RFC 4180.
 */
@registry.registerHook('csv')
export class CsvHook implements RunHook {
  static readonly optionsSchema = options;
  readonly #file: string;
  /** Of numbers; undefined where the table is not there, or not whole. */
  #columns?: string[];

  constructor({ file }: z.output<typeof options>) {
    this.#file = file;
  }

  async beforeTraining(run: Run): Promise<void> {
    if (run.comm.rank === 0) await this.#rewrite(run);
  }

  async afterMetrics(run: Run, line: MetricsLine): Promise<void> {
    const columns = this.#columns;
    if (!columns || numbersIn(line).some(([name]) => !columns.includes(name))) return this.#rewrite(run);
    await this.#write(run, columns, (path) => appendFile(path, rowOf(line, columns)));
  }

  /** With every line that the run has written. */
  async #rewrite(run: Run): Promise<void> {
    const lines = await readMetrics(run.folder.path);
    const columns = [...new Set(lines.flatMap((line) => numbersIn(line).map(([name]) => name)))];
    const rows = [record([...PLACE, ...columns]), ...lines.map((line) => rowOf(line, columns))];
    await this.#write(run, columns, (path) => writeFileAtomic(path, rows.join('')));
  }

  /** A row that a full disk cut short is written anew, with all others, once there is room. */
  #write(run: Run, columns: string[], write: (path: string) => Promise<void>): Promise<void> {
    this.#columns = undefined;
    return writeOrWarn(join(run.folder.path, this.#file), async (path) => {
      await write(path);
      this.#columns = columns;
    });
  }
}

function rowOf(line: MetricsLine, columns: readonly string[]): string {
  const place = PLACE.map((name) => (name === 'time' ? clockOf(line.time) : line[name]));
  return record([...place, ...columns.map((name) => line[name])]);
}

/** UTC, as spreadsheets take it for a time. */
const clockOf = (time: number) => new Date(1000 * time).toISOString().slice(0, 19).replace('T', ' ');

const record = (cells: readonly unknown[]) => `${cells.map(cellOf).join(',')}\r\n`;

/** Empty for what is not there, and for what is no number: text in a column of numbers breaks sums and charts. */
function cellOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : '';
  return csvCell(String(value));
}
