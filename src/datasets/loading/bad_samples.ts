import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { DataError } from '../../common/errors.js';
import { explainWriteFailure } from '../../common/files.js';
import { log } from '../../common/logging.js';

/** A sample that cannot be read. */
export interface BadSample {
  /** The dataset and split. */
  dataset: string;
  /** In the dataset; shard and name in a stream. */
  index: number | string;
  /** The file, and the annotation it comes from. */
  where?: string;
  reason: string;
}

export interface BadSamplesOptions {
  /** `run.max_bad_samples`: how many different samples may be skipped. */
  limit?: number;
  /** One JSON object a line; entries of an interrupted run are read back and count. */
  file?: string;
  onBadSample?: (bad: BadSample) => void;
}

/** Counts samples that cannot be read, each once, up to a limit. Loaders of one run share it. */
export class BadSamples {
  readonly limit: number;
  readonly list: BadSample[] = [];
  readonly #known = new Set<string>();
  #untold: BadSample[] = [];
  readonly #file?: string;
  readonly #onBadSample?: (bad: BadSample) => void;

  constructor({ limit = 0, file, onBadSample }: BadSamplesOptions = {}) {
    this.limit = limit;
    this.#file = file;
    this.#onBadSample = onBadSample;
    if (file && existsSync(file)) this.#readBack(file);
  }

  has(dataset: string, index: number | string): boolean {
    return this.#known.has(`${dataset} ${index}`);
  }

  /** @throws the error itself at a limit of 0, or a DataError when this one is past the limit. */
  report(dataset: string, index: number | string, error: DataError): void {
    if (this.has(dataset, index)) return;
    if (this.limit === 0) throw error;
    const bad = { dataset, index, where: error.details.where, reason: reasonOf(error) };
    this.#add(bad);
    this.#untold.push(bad);
    this.#list(bad);
    this.#onBadSample?.(bad);
    log.warn(
      `${dataset}: sample ${index} is skipped (${this.list.length} of at most ${this.limit}): ${bad.reason}`,
    );
    this.#keepTo(this.limit, error);
  }

  /** What was found here since the last call, for the other ranks of a run. */
  untold(): BadSample[] {
    const found = this.#untold;
    this.#untold = [];
    return found;
  }

  /** Counts what other ranks found, which have told and listed it. @throws DataError past the limit */
  learn(found: readonly BadSample[]): void {
    for (const bad of found) if (!this.has(bad.dataset, bad.index)) this.#add(bad);
    this.#keepTo(this.limit);
  }

  #keepTo(limit: number, cause?: DataError): void {
    if (this.list.length <= limit) return;
    const { where, reason } = this.list.at(-1)!;
    throw new DataError(`more than ${limit} samples cannot be read`, {
      where: this.#file ? `${where}\nall are listed in ${this.#file}` : where,
      found: reason,
      help: '--options run.max_bad_samples=N allows more',
      cause,
    });
  }

  /** A full disk costs the line, not the run. */
  #list(bad: BadSample): void {
    if (!this.#file) return;
    try {
      appendFileSync(this.#file, `${JSON.stringify(bad)}\n`);
    } catch (thrown) {
      log.warnOnce(`${this.#file} cannot be written: ${explainWriteFailure(thrown)}`);
    }
  }

  /** A line that a kill or a full disk cut short is left out: its sample is found again. */
  #readBack(file: string): void {
    const text = readFileSync(file, 'utf8');
    for (const line of text.split('\n')) {
      try {
        this.#add(JSON.parse(line) as BadSample);
      } catch {
        // cut short
      }
    }
    if (text && !text.endsWith('\n')) appendFileSync(file, '\n');
  }

  #add(bad: BadSample): void {
    this.#known.add(`${bad.dataset} ${bad.index}`);
    this.list.push(bad);
  }
}

const reasonOf = ({ headline, details }: DataError) => [headline, details.found].filter(Boolean).join(': ');
