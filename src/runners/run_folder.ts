import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { LavisError } from '../common/errors.js';
import { explainWriteFailure, writeFileAtomic } from '../common/files.js';
import { log } from '../common/logging.js';

/** The lines of a run's log files, as a checkpoint keeps them. */
export type LogState = Record<string, string[]>;

/**
 * `<output_dir>/<job_id>/`: checkpoints, result/, and the logs log.txt and evaluate.txt. Logs are written
 * whole and renamed, and a checkpoint carries the lines up to its moment, so that a run that is resumed
 * ends with the log of one that never stopped.
 */
export class RunFolder {
  readonly resultDir: string;
  #lines: LogState = {};

  constructor(
    readonly path: string,
    /** Only rank 0 writes. */
    private readonly writes = true,
  ) {
    this.resultDir = join(path, 'result');
    if (writes) mkdirSync(this.resultDir, { recursive: true });
  }

  /** Appends one line to `file`, on disk when it returns, unless the disk cannot take it. */
  async append(file: string, line: string): Promise<void> {
    this.#lines[file] = [...(this.#lines[file] ?? []), line];
    await this.#write(file);
  }

  state(): LogState {
    return Object.fromEntries(Object.entries(this.#lines).map(([file, lines]) => [file, [...lines]]));
  }

  /** Replaces the logs by those of a checkpoint: lines written after it come again as the run goes on. */
  async restore(state: LogState): Promise<void> {
    this.#lines = { ...state };
    for (const file of Object.keys(state)) await this.#write(file);
  }

  /** Its lines wait for the next one where the disk is full: the log describes the run, and does not end it. */
  async #write(file: string): Promise<void> {
    if (!this.writes) return;
    await writeOrWarn(join(this.path, file), (path) =>
      writeFileAtomic(path, this.#lines[file].map((line) => `${line}\n`).join('')),
    );
  }
}

/** What pages show of an evaluation. @param name the split and the epoch, as in its result file's name */
export const shownFile = (folder: string, name: string) => join(folder, 'shown', `${name}.json`);

/** Writes a file that only describes the run: where that fails, the run goes on, and says so once. */
export async function writeOrWarn(
  path: string,
  write: (path: string) => Promise<void> | void,
): Promise<void> {
  try {
    await write(path);
  } catch (thrown) {
    const why = thrown instanceof LavisError ? thrown.details.found : explainWriteFailure(thrown);
    const [reason] = (why ?? '').split(','); // Node's own words name a file that is new each time
    log.warnOnce(`${path} cannot be written, the run goes on without: ${reason}`);
  }
}

/** A job's name: the minute it started, as the reference's, with seconds so that quick runs seldom collide. */
export function newJobId(now = new Date()): string {
  const pad = (n: number) => String(n).padStart(2, '0');
  const day = `${now.getFullYear()}${pad(now.getMonth() + 1)}${pad(now.getDate())}`;
  return `${day}${pad(now.getHours())}${pad(now.getMinutes())}${pad(now.getSeconds())}`;
}
