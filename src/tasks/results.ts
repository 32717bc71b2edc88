import { join } from 'node:path';

/** One line of an evaluation: `{ caption, image_id }` for captioning. */
export type EvaluationResult = Record<string, unknown>;

/**
 * The results of all ranks in rank order; of entries with the same value of `removeDuplicate` the first is
 * kept (distributed sampling repeats some samples to divide evenly). Source: lavis/tasks/base_task.py.
 */
export function mergeResults(perRank: EvaluationResult[][], removeDuplicate = ''): EvaluationResult[] {
  const all = perRank.flat();
  if (!removeDuplicate) return all;
  const seen = new Set<unknown>(); // 1 and '1' are different ids, as in Python
  return all.filter((result) => {
    const id = result[removeDuplicate];
    return seen.has(id) ? false : seen.add(id);
  });
}

/** The text that Python's `json.dump` writes: ", " and ": " between items, ASCII only. */
export function pythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const items = Object.entries(value).filter(([, item]) => item !== undefined);
    return `{${items.map(([key, item]) => `${quote(key)}: ${pythonJson(item)}`).join(', ')}}`;
  }
  if (typeof value === 'number' && !Number.isFinite(value)) {
    return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
  }
  return typeof value === 'string' ? quote(value) : String(value ?? null);
}

const quote = (text: string) =>
  JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** Where the merged results of a split are written. */
export const resultFile = (folder: string, split: string, epoch: string | number) =>
  join(folder, `${split}_epoch${epoch}.json`);

/** A sample of an evaluation and what the model said of it, as reports and the live page show it. */
export interface ShownSample {
  id: number | string;
  /** Its pictures; none where they are not files of their own. */
  files: readonly string[];
  /** What was asked of the model: a question, a sentence. */
  asked?: string;
  said: string;
  /** What would have been right. */
  references: string[];
  /** How right it is, higher being better; absent where nothing can be scored. */
  score?: number;
  /** How sure the model is: the mean log-probability of what it said; absent where it does not tell. */
  logProbability?: number;
}

/** The samples of an evaluation. */
export interface ShownSamples {
  /** What their score is called. */
  score?: string;
  samples: ShownSample[];
}
