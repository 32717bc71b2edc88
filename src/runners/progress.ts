import { log } from '../common/logging.js';

/** What one step looked like from outside. */
export interface StepTimes {
  images: number;
  /** Seconds in which training waited for data. */
  dataSeconds: number;
  /** Seconds of the step, the wait included. */
  seconds: number;
}

/** Smooths the times of the last steps into the progress line. */
export class ProgressLine {
  #recent: StepTimes[] = [];

  constructor(
    /** Steps over which speed and ETA are averaged. */
    private readonly window = 20,
  ) {}

  add(times: StepTimes): void {
    this.#recent.push(times);
    if (this.#recent.length > this.window) this.#recent.shift();
  }

  get secondsPerStep(): number {
    return sum(this.#recent.map((step) => step.seconds)) / Math.max(1, this.#recent.length);
  }

  /** `3.1 images/s  data 2%  mem 1.2 GB  eta 0:10:00` */
  describe(stepsLeft: number): string {
    const seconds = sum(this.#recent.map((step) => step.seconds));
    const images = sum(this.#recent.map((step) => step.images));
    const waited = sum(this.#recent.map((step) => step.dataSeconds));
    const speed = images / seconds;
    return [
      `${speed.toFixed(speed < 10 ? 2 : 0)} images/s`,
      `data ${((100 * waited) / seconds).toFixed(0)}%`,
      `mem ${(process.memoryUsage.rss() / 1e9).toFixed(1)} GB`,
      `eta ${clock(stepsLeft * this.secondsPerStep)}`,
    ].join('  ');
  }
}

/** Writes the progress of an evaluation now and then, at least `every` seconds apart. */
export function timedProgress(label: string, total: number, every = 10): (done: number) => void {
  const start = Date.now();
  let last = start;
  return (done) => {
    const now = Date.now();
    if (now - last < every * 1000 && done < total) return;
    if (done === total && now - start < every * 1000) return;
    last = now;
    const left = ((now - start) / 1000 / done) * (total - done);
    log.info(`${label}  batch ${done}/${total}  eta ${clock(left)}`);
  };
}

/** 3725 -> '1:02:05' */
export function clock(seconds: number): string {
  const whole = Math.round(seconds);
  const pad = (n: number) => String(n).padStart(2, '0');
  return `${Math.floor(whole / 3600)}:${pad(Math.floor(whole / 60) % 60)}:${pad(whole % 60)}`;
}

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
