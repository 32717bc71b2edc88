/**
 * npm run setup:cuda [-- --libtensorflow DIR | --check]
 *
 * Gives @tensorflow/tfjs-node-gpu its binary and tries it. Its install script (which .npmrc keeps from
 * running by itself) downloads libtensorflow 2.9.1 for CUDA and a prebuilt addon, or compiles the addon.
 * --libtensorflow DIR takes a libtensorflow that is there already: DIR has include/ and lib/.
 * Wanted: Linux or Windows on x86-64, an NVIDIA driver from 450.80 on, CUDA 11.2, cuDNN 8.1, Node 20 or 22.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { libtensorflow: { type: 'string' }, check: { type: 'boolean' } },
});

const stop = (message) => {
  console.error(message);
  process.exit(1);
};

let home;
try {
  home = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-node-gpu/package.json'));
} catch {
  stop('@tensorflow/tfjs-node-gpu is not installed: npm install @tensorflow/tfjs-node-gpu');
}

const bins = [];
for (let folder = home; folder !== dirname(folder); folder = dirname(folder)) {
  bins.push(join(folder, 'node_modules', '.bin'));
}
const env = { ...process.env, PATH: [...bins, process.env.PATH].join(delimiter) };

/** Runs a command in the package's folder. */
function run(command, args) {
  console.log(`> ${command} ${args.join(' ')}`);
  const { status, error } = spawnSync(command, args, {
    cwd: home,
    env,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (status !== 0) stop(`that failed${error ? `: ${error.message}` : ''}; docs/gpu.md says what is needed`);
}

if (!values.check) {
  if (process.arch !== 'x64' || process.platform === 'darwin') {
    stop(
      `libtensorflow for CUDA is made for Linux and Windows on x86-64, this is ${process.platform} ${process.arch}`,
    );
  }
  if (values.libtensorflow) useLibrary(resolve(values.libtensorflow));
  else run(process.execPath, ['scripts/install.js', 'gpu', 'download']);
}
check();

/** Links a libtensorflow to where the addon looks for it, and compiles the addon against it. */
function useLibrary(folder) {
  for (const part of ['include/tensorflow/c/c_api.h', 'lib']) {
    if (!existsSync(join(folder, part))) stop(`${folder} has no ${part}`);
  }
  const deps = join(home, 'deps');
  rmSync(deps, { recursive: true, force: true });
  mkdirSync(deps);
  for (const part of ['include', 'lib']) symlinkSync(join(folder, part), join(deps, part), 'junction');
  run('node-pre-gyp', ['install', '--build-from-source']);
}

/** A matrix product on the GPU, in a process of its own. */
function check() {
  const engine = new URL('../dist/engine/index.js', import.meta.url);
  const script = `
    const { setupEngine, tf } = await import('${engine}');
    try {
      const { description } = await setupEngine({ device: 'cuda' });
      const x = tf.ones([256, 256]);
      const [value] = tf.matMul(x, x).dataSync();
      if (value !== 256) throw new Error('a matrix product gives ' + value + ', not 256');
      console.log(description);
    } catch (error) {
      console.error(error.message);
      process.exitCode = 1;
    }`;
  if (!existsSync(engine)) stop('npm run build comes first');
  const { status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
  if (status !== 0) stop('CUDA cannot be used yet; docs/gpu.md says what is needed');
  console.log('CUDA works: --device cuda, or run.device: cuda');
}
