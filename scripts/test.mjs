/** Runs the compiled tests: all of them, or those whose path contains one of the arguments. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

const wanted = process.argv.slice(2);
const files = readdirSync('build/tests', { recursive: true })
  .map((name) => join('build/tests', String(name)))
  .filter((path) => path.endsWith('.test.js'))
  // compiled once, and its source gone since: moved, or of another branch
  .filter((path) => existsSync(path.replace(/^build./, '').replace(/js$/, 'ts')))
  .filter((path) => wanted.length === 0 || wanted.some((part) => path.includes(part)))
  .sort();
if (files.length === 0) {
  console.error(`no test file matches ${wanted.join(', ')}`);
  process.exit(1);
}
// Files wait a lot, for workers and for deadlines: two at a time even on two cores. None measures time, and each measures
// its own memory alone.
const concurrency = Math.max(2, availableParallelism() - 1);
const { status } = spawnSync(process.execPath, ['--test', `--test-concurrency=${concurrency}`, ...files], {
  stdio: 'inherit',
});
process.exit(status ?? 1);
