import { registry } from '../../common/registry.js';
import type { Run, RunHook } from '../hooks.js';
import { type MetricsLine, readMetrics, scalarsOf } from '../metrics_log.js';
import { writeOrWarn } from '../run_folder.js';
import { EventFile } from './event_file.js';

/** Writes the numbers of metrics.jsonl as TensorBoard reads them. Every run has it, whether `run.hooks` names it or not. */
@registry.registerHook('tensorboard')
export class TensorBoardHook implements RunHook {
  #events?: EventFile;

  async beforeTraining(run: Run): Promise<void> {
    if (run.comm.rank !== 0) return;
    const { path } = run.folder;
    await writeOrWarn(path, async () => {
      this.#events = await EventFile.create(path);
      await this.#events.append((await readMetrics(path)).flatMap(scalarsOf));
    });
  }

  async afterMetrics(run: Run, line: MetricsLine): Promise<void> {
    const { path } = run.folder;
    await writeOrWarn(path, async () => {
      this.#events ??= await EventFile.create(path); // an evaluation alone
      await this.#events.append(scalarsOf(line));
    });
  }
}
