import { join } from 'node:path';
import { csvCell } from '../common/csv.js';
import { JsonLines } from '../common/json_lines.js';
import type { ShownSample } from '../tasks/index.js';

/** What somebody thinks of what a run said of a sample. */
export interface Mark {
  split: string;
  id: string;
  /** The first picture of the sample. */
  image?: string;
  /** What was said: a run that says something else later is not meant. */
  said: string;
  mark?: 'good' | 'bad';
  /** What should have been said. */
  correction?: string;
  /** When, as an ISO date. */
  time: string;
}

const journal = (folder: string) => new JsonLines(join(folder, 'marks.jsonl'));

/** The marks of a run's folder, the newest of each sample. */
export class Marks {
  readonly #bySample = new Map<string, Mark>();

  private constructor(marks: readonly Mark[]) {
    for (const mark of marks) this.#bySample.set(keyOf(mark.split, mark.id), mark);
  }

  static async read(folder: string): Promise<Marks> {
    return new Marks((await journal(folder).read()).filter(isMark));
  }

  /** A sample's mark, for what it says; its correction, whatever it says. */
  of(split: string, { id, said }: ShownSample): Pick<Mark, 'mark' | 'correction'> {
    const found = this.#bySample.get(keyOf(split, String(id)));
    return { mark: found?.said === said ? found.mark : undefined, correction: found?.correction };
  }

  /** The corrected captions with their images, as custom_caption reads them. */
  get csv(): string {
    const corrected = [...this.#bySample.values()].filter(({ correction, image }) => correction && image);
    const lines = corrected.map(({ image, correction }) => `${csvCell(image!)},${csvCell(correction!)}\n`);
    return ['image,caption\n', ...lines].join('');
  }
}

/** Writes a mark into a run's folder; it is on the disk when this returns. */
export const addMark = (folder: string, mark: Mark): Promise<void> => journal(folder).append([mark]);

const keyOf = (split: string, id: string) => `${split}\n${id}`;

function isMark(value: unknown): value is Mark {
  const { split, id, said } = (value ?? {}) as Partial<Mark>;
  return typeof split === 'string' && typeof id === 'string' && typeof said === 'string';
}
