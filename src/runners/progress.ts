import { log } from '../common/logging.js';
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

/** Milliseconds between lines where there is no terminal. */
const EVERY = 10_000;

/** Shows the progress of an evaluation: a bar on a terminal, else a line now and then. */
export function timedProgress(label: string, total: number, unit = 'batch'): (done: number) => void {
  const start = Date.now();
  let last = start;
  return (done) => {
    const now = Date.now();
    const left = ((now - start) / 1000 / done) * (total - done);
    const details = [`${done}/${total}`, `eta ${clock(left)}`];
    if (log.terminal) return log.status(done < total ? bar(label, done / total, details) : '');
    if (now - last < EVERY && done < total) return;
    if (done === total && now - start < EVERY) return;
    last = now;
    log.info(`${label}  ${unit} ${done}/${total}  eta ${clock(left)}`);
  };
}

/**
 * `epoch 3  ━━━━━━━────────  46%  loss 1.23  eta 0:10:00`, not wider than the terminal: of `details` the
 * middle ones give way first, then the bar.
 * @param part done, 0 to 1
 */
export function bar(label: string, part: number, details: readonly string[], columns = log.columns): string {
  const percent = `${Math.floor(100 * part)}%`.padStart(4);
  const shown = [...details];
  const rest = () => [label, percent, ...shown].join('  ').length + 2;
  while (shown.length > 2 && rest() + 10 > columns - 1) shown.splice(shown.length - 2, 1);
  const width = Math.max(0, Math.min(40, columns - 1 - rest()));
  const filled = Math.round(width * Math.min(1, part));
  const line = `${'━'.repeat(filled)}${'─'.repeat(width - filled)}`;
  return [label, line, percent, ...shown].join('  ').slice(0, columns - 1);
}

/** 3725 -> '1:02:05' */
export function clock(seconds: number): string {
  const whole = Math.round(seconds);
  const pad = (n: number) => String(n).padStart(2, '0');
  return `${Math.floor(whole / 3600)}:${pad(Math.floor(whole / 60) % 60)}:${pad(whole % 60)}`;
}
