import { constants } from 'node:os';
import { log } from '../common/logging.js';

/** A run that was asked to stop, has saved, and ends with the exit code that shells expect. */
export class RunInterrupted extends Error {
  readonly exitCode: number;

  constructor(
    readonly signal: NodeJS.Signals,
    /** Where the run can be carried on from. */
    readonly checkpoint?: string,
  ) {
    super(`stopped by ${signal}${checkpoint ? `; carry on with run.resume_ckpt_path=${checkpoint}` : ''}`);
    this.name = 'RunInterrupted';
    this.exitCode = 128 + constants.signals[signal];
  }
}

const SIGNALS: NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];

/**
 * Notes the first SIGINT or SIGTERM, for the run to save and stop after its step. Then it lets go, and the
 * system's own handling ends the process at the second.
 */
export class StopSignal {
  /** The signal that came, if one did. */
  received?: NodeJS.Signals;
  readonly #listener = (signal: NodeJS.Signals) => {
    this.received = signal;
    this.release();
    log.info(`\n${signal}: finishing this step and saving; once more stops at once`);
  };

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#listener);
  }

  release(): void {
    for (const signal of SIGNALS) process.off(signal, this.#listener);
  }
}
