/** A plug-in: the runner `digests`, whose second rank is asked to end before its first step where STOP is set. */
import { type Run, type RunnerOptions, registry } from '#src/index.js';
import { Digests } from './digests.js';

@registry.registerRunner('stops')
export class Stops extends Digests {
  constructor(options: RunnerOptions) {
    const hook = {
      beforeTraining: ({ comm }: Run) => {
        if (comm.rank === 1 && process.env.STOP) process.kill(process.pid, 'SIGINT');
      },
    };
    super({ ...options, hooks: [...(options.hooks ?? []), hook] });
  }
}
