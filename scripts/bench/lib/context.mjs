import { fileURLToPath } from 'node:url';
import { lastLine } from './programs.mjs';
import { inTurns } from './rounds.mjs';

/** @returns seconds of a step or of a captioned batch, and peak memory */
const timesOf = (result) => ({
  seconds: result.seconds_per_step_median ?? result.seconds_per_generate_median,
  peakGb: result.peak_gb,
});

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

  /** Whether the peers are those of PyPI, with what their users switch on. */
  get newest() {
    return this.args.peers !== undefined;
  }

  /** PyPI's transformers or OpenVINO. @param script of peers/ */
  other(script, ...parameters) {
    const path = fileURLToPath(new URL(`../peers/${script}.py`, import.meta.url));
    return timesOf(
      lastLine(this.args.peers, [path, ...parameters, '--threads', this.args.threads].map(String)),
    );
  }

  /** The same by PyTorch. @returns seconds of a step or of a captioned batch, and peak memory */
  peer(...parameters) {
    return timesOf(lastLine(this.python, this.peerCommand(...parameters)));
  }

  get python() {
    return this.args.peers ?? this.args.python;
  }

  peerCommand(...parameters) {
    const { peer, threads } = this.args;
    const flags = this.newest ? ['--sdpa', '--fused-adamw'] : [];
    return [peer, ...parameters, ...flags, '--threads', threads].map(String);
  }

  /** `contestants` with the peer's among them only where there is a peer, and PyPI's others where they are asked for. */
  takeTurns(work, contestants, peers = {}, others = {}) {
    return inTurns(
      { ...contestants, ...(this.args.peer ? peers : {}), ...(this.newest ? others : {}) },
      { rounds: this.rounds, work, progress: (text) => console.error(text) },
    );
  }
}
