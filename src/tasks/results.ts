import { join } from 'node:path';

/** One line of an evaluation: `{ caption, image_id }` for captioning. */
export type EvaluationResult = Record<string, unknown>;

/**
 * The results of all ranks in rank order; among entries with the same value of `removeDuplicate` only the first is
 * kept (distributed samplers repeat some samples to divide evenly). Source: lavis/tasks/base_task.py.
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

/** JSON as Python's `json.dump` writes it: ", " and ": " between items, ASCII only. */
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

/** An evaluated sample with the model's output, as reports and the live page show it. */
export interface ShownSample {
  id: number | string;
  /** Its image files; empty where images are not separate files. */
  files: readonly string[];
  /** The text input: a question or a sentence. */
  asked?: string;
  said: string;
  /** The ground truth. */
  references: string[];
  /** Its score, higher is better; absent where it cannot be scored. */
  score?: number;
  /** The model's confidence: the mean log-probability of its output; absent where the model does not report it. */
  logProbability?: number;
}

/** The samples of an evaluation. */
export interface ShownSamples {
  /** The name of their score. */
  score?: string;
  samples: ShownSample[];
}
