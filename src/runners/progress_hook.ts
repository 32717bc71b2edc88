import { log } from '../common/logging.js';
import type { Run, RunHook, StepEvent } from './hooks.js';
import { clock, ProgressLine } from './progress.js';

/** Prints a line every `log_freq` steps: loss, rate, speed, wait for data, memory, time left. */
export class ProgressHook implements RunHook {
  readonly #line = new ProgressLine();
  #start = 0;

  beforeTraining({ settings, rounds, unit, folder }: Run): void {
    this.#start = performance.now();
    const length = unit === 'epoch' ? `${rounds} epochs` : `${settings.maxIters} iterations`;
    log.info(`Training for ${length}; logs and checkpoints go to ${folder.path}`);
  }

  afterStep(run: Run, step: StepEvent): void {
    this.#line.add(step);
    const { round, step: done } = run.state;
    const steps = run.stepsOf(round);
    if (done !== 1 && done % run.settings.logFreq !== 0 && done !== steps) return;
    let left = steps - done;
    for (let later = round + 1; later < run.rounds; later++) left += run.stepsOf(later);
    const norm = step.gradNorm === undefined ? '' : `  grad ${step.gradNorm.toPrecision(3)}`;
    log.info(
      `${run.place().padEnd(12)} step ${String(done).padStart(String(steps).length)}/${steps}` +
        `  loss ${step.losses.loss?.toFixed(4)}  lr ${step.lr.toExponential(2)}${norm}  ${this.#line.describe(left)}`,
    );
  }

  afterTraining(): void {
    log.info(`Training time ${clock((performance.now() - this.#start) / 1000)}`);
  }
}
