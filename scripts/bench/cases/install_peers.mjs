/**
 * Makes the virtual environment of the benchmark's peers, with what scripts/bench/peers/requirements.txt names:
 *
 *     node scripts/bench/index.mjs install_peers [FOLDER]     build/peers unless given; some 6 GB
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [folder = join('build', 'peers')] = process.argv.slice(2);
const requirements = fileURLToPath(new URL('../peers/requirements.txt', import.meta.url));
const python = join(folder, process.platform === 'win32' ? 'Scripts' : 'bin', 'python');
for (const [command, ...parameters] of [
  ['python3', '-m', 'venv', folder],
  [python, '-m', 'pip', 'install', '-r', requirements],
]) {
  const { status, error } = spawnSync(command, parameters, { stdio: 'inherit' });
  if (error) console.error(`${command}: ${error.message}`);
  if (error || status !== 0) process.exit(1);
}
console.log(`then: npm run bench -- --peers ${python}`);
