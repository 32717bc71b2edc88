import { log } from '../common/logging.js';
import { reportAtEnd } from '../reports/index.js';
import { type BaseRunner, RunInterrupted } from '../runners/index.js';
import { abandonJob } from '../runs/index.js';
import type { Metrics } from '../tasks/index.js';
import { printScores } from './print_scores.js';

/** Carries a run out, prints its scores and writes its report. @returns the exit code: a stop that was asked for has its own */
export async function finishRun(
  { comm, folder: { path } }: BaseRunner,
  work: () => Promise<Record<string, Metrics>>,
): Promise<number> {
  let code = 0;
  try {
    const scores = await work();
    if (comm.rank === 0) {
      printScores(scores);
      await reportAtEnd(path);
    }
  } catch (thrown) {
    if (comm.rank === 0) abandonJob(path);
    if (!(thrown instanceof RunInterrupted)) throw thrown;
    log.info(thrown.message);
    code = thrown.exitCode;
  }
  await comm.close();
  return code;
}
