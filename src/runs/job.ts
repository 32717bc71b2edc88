import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { ConfigError, messageOf } from '../common/errors.js';
import { explainWriteFailure } from '../common/files.js';
import { log } from '../common/logging.js';
import { expandHome } from '../common/paths.js';
import type { Config } from '../config/index.js';
import { newestCheckpoint, newJobId, runSettings } from '../runners/index.js';

/** Set by the launcher for its workers: the folder of their run, which it has made, whatever attempt they are. */
const JOB_FOLDER = 'LAVIS_JOB_FOLDER';

/** The folder that a run will have, and where in its life it begins. */
export interface Job {
  /** Under this the folder lies. */
  readonly outputDir: string;
  /** The folder; one named by the time of day is made where it is left out. */
  readonly folder?: string;
  /** Whether the folder may be there already, because it is this run's own. */
  readonly own: boolean;
  /** Where `--resume` goes on from. */
  readonly checkpoint?: string;
}

/**
 * Which folder a run has: with `--resume` that of the newest checkpoint of `run.output_dir`, or of `--job-id`
 * where that is named; otherwise a new one. Makes nothing yet.
 * @throws ConfigError when `--job-id` names a run that is there already, unless it is to be gone on with
 */
export async function findJob(
  config: Config,
  { resume = false, jobId }: { resume?: boolean; jobId?: string },
  env: Record<string, string | undefined> = process.env,
): Promise<Job> {
  const settings = runSettings(config);
  const outputDir = resolve(expandHome(settings.outputDir));
  const fixed = env[JOB_FOLDER] ?? (jobId === undefined ? undefined : join(outputDir, jobId));
  if (!resume) {
    const goesOn = !settings.evaluate && goesOnIn(fixed, settings.resumeCkptPath);
    const own = env[JOB_FOLDER] !== undefined || goesOn;
    if (fixed && !own && isTaken(fixed)) throw taken(fixed);
    return { outputDir, folder: fixed, own };
  }
  const place = fixed ?? outputDir;
  const checkpoint = await newestCheckpoint(place);
  if (!checkpoint) log.info(`There is no checkpoint under ${place} yet: the run starts at the beginning`);
  return { outputDir, folder: checkpoint ? dirname(checkpoint) : fixed, own: true, checkpoint };
}

/**
 * Makes the folder of a run; no other run gets the same one.
 * @returns its path
 * @throws ConfigError when it is another run's, or cannot be made
 */
export function claimJob({ outputDir, folder, own }: Job): string {
  if (folder) {
    if (!claim(folder) && !own) throw taken(folder);
    return folder;
  }
  const id = newJobId();
  for (let n = 1; ; n++) {
    const path = join(outputDir, n === 1 ? id : `${id}_${n}`);
    if (claim(path)) return path;
  }
}

/** Takes a folder back that nothing was written into: a run that never began leaves none. */
export function abandonJob(folder: string): void {
  try {
    rmdirSync(join(folder, 'result'));
    rmdirSync(folder);
  } catch {
    // not empty, or gone
  }
}

/** The environment that tells workers which folder their run has. */
export const jobEnvironment = (folder: string) => ({ ...process.env, [JOB_FOLDER]: folder });

/** The folder belongs to whoever makes `result/` in it. @returns false where somebody else did */
function claim(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true });
    mkdirSync(join(folder, 'result'));
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST' && existsSync(join(folder, 'result')))
      return false;
    throw new ConfigError("the run's folder cannot be made", {
      where: folder,
      found: explainWriteFailure(thrown) || messageOf(thrown),
      help: '--options run.output_dir=FOLDER',
      cause: thrown,
    });
  }
}

const isTaken = (folder: string) => existsSync(join(folder, 'result'));

/** `run.resume_ckpt_path` may name a checkpoint of the folder itself. */
const goesOnIn = (folder: string | undefined, checkpoint: string | undefined) =>
  folder !== undefined && checkpoint !== undefined && dirname(resolve(expandHome(checkpoint))) === folder;

function taken(folder: string): ConfigError {
  return new ConfigError(`the job '${basename(folder)}' is there already, and is not written over`, {
    where: folder,
    allowed: 'a --job-id that no run of run.output_dir has; without one, the time of the start',
    help: [
      'lavis train --resume goes on with it (add --job-id to choose among several)',
      `to run it anew, remove it first: rm -r ${folder}`,
    ].join('\n'),
  });
}
