import { clock } from '../common/words.js';
import { deviceMemory } from '../engine/index.js';
import type { Run } from './hooks.js';

/** What one step looked like from outside. */
export interface StepTimes {
  images: number;
  /** Seconds in which training waited for data. */
  dataSeconds: number;
  /** Seconds of the step, the wait included. */
  seconds: number;
}

/** Speed over the last steps. */
export class SpeedMeter {
  #recent: StepTimes[] = [];

  constructor(
    /** Steps that are averaged. */
    private readonly window = 20,
  ) {}

  add(times: StepTimes): void {
    this.#recent.push(times);
    if (this.#recent.length > this.window) this.#recent.shift();
  }

  get secondsPerStep(): number {
    return this.#sum('seconds') / Math.max(1, this.#recent.length);
  }

  get imagesPerSecond(): number {
    return this.#sum('images') / this.#sum('seconds');
  }

  /** The part of the time in which training waited for data, 0 to 1. */
  get dataShare(): number {
    return this.#sum('dataSeconds') / this.#sum('seconds');
  }

  /** `3.1 images/s`, `data 2%`, `mem 1.2 GB`, `eta 0:10:00`; most important last. */
  describe(stepsLeft: number): string[] {
    const speed = this.imagesPerSecond;
    const onCard = deviceMemory();
    return [
      `${speed.toFixed(speed < 10 ? 2 : 0)} images/s`,
      `data ${(100 * this.dataShare).toFixed(0)}%`,
      `mem ${(process.memoryUsage.rss() / 1e9).toFixed(1)} GB`,
      ...(onCard === undefined ? [] : [`gpu ${(onCard / 1e9).toFixed(1)} GB`]),
      `eta ${clock(stepsLeft * this.secondsPerStep)}`,
    ];
  }

  #sum(key: keyof StepTimes): number {
    return this.#recent.reduce((total, step) => total + step[key], 0);
  }
}

/** Whether the step that was just done has its line: every `log_freq`, the first and the last of a round. */
export function isLogged(run: Run): boolean {
  const { round, step } = run.state;
  return step === 1 || step % run.settings.logFreq === 0 || step === run.stepsOf(round);
}

/** Micro-steps until the end of the run. */
export function stepsLeft(run: Run): number {
  const { round, step } = run.state;
  let left = run.stepsOf(round) - step;
  for (let later = round + 1; later < run.rounds; later++) left += run.stepsOf(later);
  return left;
}
