/** A plug-in: a runner that leaves a digest of each rank's weights, of the start and the end of training. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Run, RunnerBase, type RunnerOptions, registry } from '#src/index.js';

function leaveDigest({ model, comm, folder }: Run, when: string): void {
  const hash = createHash('sha256');
  for (const [name, tensor] of model.stateDict()) hash.update(name).update(tensor.dataSync());
  writeFileSync(join(folder.path, `${when}_${comm.rank}.digest`), hash.digest('hex'));
}

@registry.registerRunner('digests')
export class Digests extends RunnerBase {
  constructor(options: RunnerOptions) {
    const hook = {
      beforeTraining: (run: Run) => leaveDigest(run, 'start'),
      afterTraining: (run: Run) => leaveDigest(run, 'end'),
    };
    super({ ...options, hooks: [...(options.hooks ?? []), hook] });
  }
}
