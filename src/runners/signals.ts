import { startedByNohup } from '../common/hangup.js';
import { log } from '../common/logging.js';
import { isLaunched } from '../distributed/index.js';

const SIGNALS: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Notes the first signal that asks a run to end, for it to save and stop after its step. At the second SIGINT or
 * SIGTERM it lets go, and the system's own handling ends the process. A terminal that closes may send SIGHUP more
 * than once, which hurries nobody; and a launcher's workers get most signals twice, from it and from the
 * terminal: there the launcher says when it has waited long enough.
 */
export class StopSignal {
  /** The signal that came, if one did. */
  received?: NodeJS.Signals;
  readonly #launched: boolean;
  readonly #survivesTerminal: boolean;
  readonly #listener = (signal: NodeJS.Signals) => {
    if (signal === 'SIGHUP' && this.#survivesTerminal) return;
    const first = this.received === undefined;
    this.received ??= signal;
    if (signal !== 'SIGHUP' && !this.#launched) {
      for (const hurried of ['SIGINT', 'SIGTERM']) process.off(hurried, this.#listener);
    }
    if (first) log.info(`\n${signal}: finishing this step and saving; once more stops at once`);
  };

  constructor(env: Record<string, string | undefined> = process.env) {
    this.#launched = isLaunched(env);
    this.#survivesTerminal = startedByNohup(env);
    for (const signal of SIGNALS) process.on(signal, this.#listener);
  }

  release(): void {
    for (const signal of SIGNALS) process.off(signal, this.#listener);
  }
}
