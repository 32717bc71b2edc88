import { fileURLToPath } from 'node:url';
import { lastLine } from './programs.mjs';
import { inTurns } from './rounds.mjs';

/** What the works of the benchmark share: the options, and how ours and the peer are run. */
export class Context {
  /** Seconds of a base training step, once it is measured. */
  baseStep;

  constructor(args) {
    this.args = args;
    this.rounds = Number(args.rounds);
  }

  /** Our model of a size; with `--small` always the one that the benchmark itself is tried with. */
  size(name) {
    return this.args.small ? 'small' : name;
  }

  /** One measurement of ours, in a process of its own. */
  ours(script, ...parameters) {
    const path = fileURLToPath(new URL(`../cases/${script}.mjs`, import.meta.url));
    return lastLine(process.execPath, [path, ...parameters.map(String)]);
  }

  /** A training step or captioning of ours. */
  engine(...parameters) {
    return this.ours('engine', ...parameters, '--vocab', this.args.vocab);
  }

  /** The same by PyTorch. @returns seconds of a step or of a captioned batch, and peak memory */
  peer(...parameters) {
    const result = lastLine(this.args.python, this.peerCommand(...parameters));
    const seconds = result.seconds_per_step_median ?? result.seconds_per_generate_median;
    return { seconds, peakGb: result.peak_gb };
  }

  peerCommand(...parameters) {
    const { peer, threads } = this.args;
    return [peer, ...parameters, '--threads', threads].map(String);
  }

  /** `contestants` with the peer's among them only where there is a peer. */
  takeTurns(work, contestants, peers = {}) {
    return inTurns(
      { ...contestants, ...(this.args.peer ? peers : {}) },
      { rounds: this.rounds, work, progress: (text) => console.error(text) },
    );
  }
}
