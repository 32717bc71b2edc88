/**
 * Runs the tests on every Node that is supported, one after the other:
 *
 *   node scripts/test_nodes.mjs [--nodes 20,22,24] [PART …]     PART: as for npm test
 *
 * The programs come from npm (the packages beneath npm's `node`, one for each platform) and stay in build/nodes.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  options: { nodes: { type: 'string', default: '20,22,24' } },
  allowPositionals: true,
});

run('npx', ['tsc', '-b', 'tests']);
const results = values.nodes.split(',').map((major) => {
  const node = programOf(major);
  const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
  console.log(`\n== Node ${version}`);
  // Programs that tests start by the name `node` are to be this one too.
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` };
  const { status } = spawnSync(node, ['scripts/test.mjs', ...positionals], { stdio: 'inherit', env });
  return { version, status };
});
console.log();
for (const { version, status } of results)
  console.log(`Node ${version}: ${status === 0 ? 'passed' : 'failed'}`);
process.exitCode = results.every(({ status }) => status === 0) ? 0 : 1;

/** The newest release of a major version, installed where it is not there yet. */
function programOf(major) {
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const folder = resolve('build', 'nodes', major);
  const program = join(
    folder,
    'node_modules',
    name,
    'bin',
    process.platform === 'win32' ? 'node.exe' : 'node',
  );
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
    run('npm', ['install', '--no-save', '--ignore-scripts', '--prefix', folder, `${name}@${major}`]);
  }
  return program;
}

function run(command, args) {
  const { status } = spawnSync(command, args, { stdio: 'inherit', shell: process.platform === 'win32' });
  if (status !== 0) process.exit(status ?? 1);
}
