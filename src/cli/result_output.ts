import { csvCell } from '../common/csv.js';
/** How commands that use a model print what they found. */
export const FORMATS = ['text', 'json', 'jsonl', 'csv'] as const;
export type Format = (typeof FORMATS)[number];

export const formatOption = {
  choices: FORMATS,
  default: 'text' as const,
  requiresArg: true,
  describe: 'jsonl: a line of JSON for each result, as it comes; json: one document at the end; csv: a table',
} as const;

/** What results of one kind look like. */
export interface ResultForm<R> {
  /** The head of the table. */
  columns: readonly string[];
  /** The rows of a result in the table. */
  rows(result: R): readonly (readonly (string | number)[])[];
  /** Its lines for people. */
  lines(result: R): readonly string[];
  /** All results as one document; a list of them unless given. */
  document?(results: readonly R[]): unknown;
}

/** Prints results: text, CSV and JSON Lines as they come, JSON as one document at the end. */
export class ResultOutput<R> {
  readonly #all: R[] = [];

  constructor(
    private readonly format: Format,
    private readonly form: ResultForm<R>,
  ) {
    if (format === 'csv') console.log(form.columns.join(','));
  }

  print(result: R): void {
    if (this.format === 'json') this.#all.push(result);
    else if (this.format === 'jsonl') console.log(JSON.stringify(result));
    else if (this.format === 'text') for (const line of this.form.lines(result)) console.log(line);
    else for (const row of this.form.rows(result)) console.log(row.map(cell).join(','));
  }

  end(): void {
    if (this.format !== 'json') return;
    console.log(JSON.stringify(this.form.document?.(this.#all) ?? this.#all, null, 2));
  }
}

const cell = (value: string | number) => csvCell(String(value));
