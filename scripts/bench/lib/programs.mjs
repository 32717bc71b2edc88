import { spawn, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

const environment = () => ({ ...process.env, OPENBLAS_NUM_THREADS: String(availableParallelism()) });

/** The last line of a program's output, as JSON. @throws Error with what it complained of when it fails */
export function lastLine(command, parameters) {
  const options = { encoding: 'utf8', env: environment(), maxBuffer: 2 ** 28 };
  const { stdout, stderr, status, error } = spawnSync(command, parameters, options);
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${parameters.join(' ')} failed:\n${stderr || stdout}`);
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

/** Seconds from starting a program to the first line of its output that matches; it is ended then. */
export function secondsUntil(command, parameters, pattern) {
  const start = performance.now();
  const program = spawn(command, parameters, { env: environment(), stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  return new Promise((resolve, reject) => {
    program.on('error', reject);
    program.on('exit', () => reject(new Error(`${command} ended without ${pattern}:\n${output}`)));
    program.stdout.on('data', (text) => {
      output += text;
      if (!pattern.test(output)) return;
      resolve((performance.now() - start) / 1000);
      program.kill();
    });
  });
}
