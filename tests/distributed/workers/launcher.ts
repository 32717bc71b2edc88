/** A process that launches: `launcher.js WORKERS RESTARTS scenario folder`. */
import { launch } from '#src/distributed/launch/launcher.js';
import { workerFile } from '../ranks.js';

const [workers, restarts, ...args] = process.argv.slice(2);
process.exitCode = await launch({
  nprocPerNode: Number(workers),
  maxRestarts: Number(restarts),
  restartArguments: () => ['resumed'],
  command: [workerFile('launched'), ...args],
  graceSeconds: 1,
});
