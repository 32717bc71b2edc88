import { log } from '../common/logging.js';
import { bar } from '../common/progress.js';
import { clock, counted } from '../common/words.js';
import type { Run, RunHook, StepEvent } from './hooks.js';
import { isLogged, SpeedMeter, stepsLeft } from './progress.js';

/** Milliseconds between two drawings of the bar. */
const REDRAW = 100;

/**
 * Shows loss, rate, speed, wait for data, memory and time left: as a bar that every step moves on a
 * terminal, else as a line every `log_freq` steps.
 */
export class ProgressHook implements RunHook {
  readonly #speed = new SpeedMeter();
  #start = 0;
  #drawn = -Infinity;

  beforeTraining({ settings, state, rounds, unit }: Run): void {
    this.#start = performance.now();
    const [length, key] =
      unit === 'epoch'
        ? [counted(rounds, 'epoch'), 'max_epoch']
        : [counted(settings.maxIters, 'iteration'), 'max_iters'];
    if (state.round < rounds) log.info(`Training for ${length}`);
    else log.info(`Nothing is left to train: ${length} are done (a larger run.${key} goes on)`);
  }

  afterStep(run: Run, event: StepEvent): void {
    this.#speed.add(event);
    if (log.terminal) this.#draw(run, event);
    else if (isLogged(run)) log.info(this.#line(run, event));
  }

  afterSteps(): void {
    log.status('');
  }

  afterTraining(): void {
    log.info(`Training time ${clock((performance.now() - this.#start) / 1000)}`);
  }

  #draw(run: Run, event: StepEvent): void {
    const now = performance.now();
    if (now - this.#drawn < REDRAW) return;
    this.#drawn = now;
    const { round, step } = run.state;
    const steps = run.stepsOf(round);
    const details = [`${step}/${steps}`, ...describe(event), ...this.#speed.describe(stepsLeft(run))];
    log.status(bar(run.place(), step / steps, details));
  }

  #line(run: Run, event: StepEvent): string {
    const { round, step } = run.state;
    const steps = run.stepsOf(round);
    const norm = event.gradNorm === undefined ? [] : [`grad ${event.gradNorm.toPrecision(3)}`];
    return [
      `${run.place().padEnd(12)} step ${String(step).padStart(String(steps).length)}/${steps}`,
      ...describe(event),
      ...norm,
      ...this.#speed.describe(stepsLeft(run)),
    ].join('  ');
  }
}

const describe = ({ losses, lr }: StepEvent) => [
  `loss ${losses.loss?.toFixed(4)}`,
  `lr ${lr.toExponential(2)}`,
];
