import { dirname } from 'node:path';
import { deviceMemory } from '../engine/index.js';
import type { Run, RunHook, StepEvent } from './hooks.js';
import { type MetricsLine, MetricsLog } from './metrics_log.js';
import type { Scores } from './monitor.js';
import { isLogged, SpeedMeter, stepsLeft } from './progress.js';

/**
 * Writes metrics.jsonl, and tells loggers. A run that is resumed drops the lines past the step it goes on from: they
 * come again.
 */
export class MetricsHook implements RunHook {
  readonly #speed = new SpeedMeter();
  readonly #tell: (line: MetricsLine) => Promise<void>;
  #log?: MetricsLog;
  #iteration = 0;

  /** @param tell the loggers of a line that is written */
  constructor(tell: (line: MetricsLine) => Promise<void>) {
    this.#tell = tell;
  }

  async beforeTraining(run: Run): Promise<void> {
    if (run.comm.rank !== 0) return;
    const { round, step } = run.state;
    this.#iteration = iterationOf(run);
    this.#log = new MetricsLog(run.folder.path);
    await this.#log.open(
      dirname(run.lastCheckpoint ?? run.folder.path),
      (line) => line.epoch < round || (line.kind === 'step' && line.epoch === round && line.step! <= step),
    );
  }

  async afterStep(run: Run, event: StepEvent): Promise<void> {
    this.#speed.add(event);
    if (!this.#log) return;
    this.#iteration++;
    if (!isLogged(run)) return;
    const { round, step } = run.state;
    await this.#append({
      kind: 'step',
      epoch: round,
      step,
      steps: run.stepsOf(round),
      ...this.#place(),
      ...event.losses,
      lr: event.lr,
      grad_norm: event.gradNorm,
      images_per_second: rounded(this.#speed.imagesPerSecond),
      data_wait: rounded(this.#speed.dataShare),
      memory_bytes: process.memoryUsage.rss(),
      gpu_bytes: deviceMemory(),
      eta_seconds: rounded(stepsLeft(run) * this.#speed.secondsPerStep),
    });
  }

  async afterSteps(run: Run, averages: Record<string, number>): Promise<void> {
    if (this.#log)
      await this.#append({ kind: 'epoch', epoch: run.state.round, ...this.#place(), ...averages });
  }

  async afterEvaluation(
    run: Run,
    split: string,
    metrics: Scores,
    label: number | string,
    best: boolean,
  ): Promise<void> {
    if (run.comm.rank !== 0) return;
    this.#log ??= new MetricsLog(run.folder.path); // an evaluation alone
    const epoch = run.state.round;
    // Written down, so that no reader need guess how the runner chooses.
    const chosen = best ? ({ best: true } as const) : {};
    await this.#append({
      kind: 'evaluation',
      epoch,
      split,
      label,
      ...chosen,
      ...this.#place(),
      ...metrics,
    });
  }

  async afterRun(run: Run): Promise<void> {
    if (this.#log) await this.#append({ kind: 'end', epoch: run.state.round, ...this.#place() });
  }

  async #append(line: MetricsLine): Promise<void> {
    await this.#log?.append(line);
    await this.#tell(line);
  }

  #place() {
    return { iteration: this.#iteration, time: Date.now() / 1000 };
  }
}

/** Micro-steps done since the start of the run. */
function iterationOf(run: Run): number {
  let done = run.state.step;
  for (let round = 0; round < run.state.round; round++) done += run.stepsOf(round);
  return done;
}

const rounded = (value: number) => Number(value.toPrecision(4));
