import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join, resolve } from 'node:path';
import { EngineError } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import { INSTALL, PACKAGE } from './index.js';

export interface InstallCudaOptions {
  /** A libtensorflow that is there already: a folder with include/ and lib/. One is downloaded by default. */
  libtensorflow?: string;
  /** Only try what is installed. */
  check?: boolean;
}

/**
 * Gives tfjs-node-gpu its binary and tries it. Its install script, which our .npmrc keeps from running by itself, downloads
 * libtensorflow 2.9.1 for CUDA and a prebuilt addon, or compiles the addon. Takes Linux or Windows on x86-64, an NVIDIA
 * driver from 450.80 on, CUDA 11.2, cuDNN 8.1, Node 20 or 22.
 * @returns what computes now, in words
 * @throws EngineError when something of that is missing: what to do
 */
export function installCuda({ libtensorflow, check = false }: InstallCudaOptions = {}): string {
  const home = packageFolder();
  if (!check) {
    if (process.arch !== 'x64' || process.platform === 'darwin') {
      throw new EngineError('libtensorflow for CUDA is made for Linux and Windows on x86-64', {
        found: `${process.platform} ${process.arch}`,
        help: '--device webgpu uses other graphics cards',
      });
    }
    if (libtensorflow) useLibrary(home, resolve(libtensorflow));
    else run(home, process.execPath, ['scripts/install.js', 'gpu', 'download']);
  }
  return tryCuda();
}

function packageFolder(): string {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`));
  } catch (cause) {
    throw new EngineError(`${PACKAGE} is not installed`, { help: INSTALL, cause });
  }
}

/** Links a libtensorflow to where the addon looks for it, and compiles the addon against it. */
function useLibrary(home: string, folder: string): void {
  const missing = ['include/tensorflow/c/c_api.h', 'lib'].filter((part) => !existsSync(join(folder, part)));
  if (missing.length > 0) {
    throw new EngineError('the folder does not hold a libtensorflow', {
      where: folder,
      found: `no ${missing.join(', no ')}`,
      allowed: 'an unpacked libtensorflow 2.9 for C: include/ and lib/',
    });
  }
  const deps = join(home, 'deps');
  rmSync(deps, { recursive: true, force: true });
  mkdirSync(deps);
  for (const part of ['include', 'lib']) symlinkSync(join(folder, part), join(deps, part), 'junction');
  run(home, 'node-pre-gyp', ['install', '--build-from-source']);
}

/** Runs a command in the package's folder, what it prints seen. */
function run(home: string, command: string, args: string[]): void {
  const bins: string[] = [];
  for (let folder = home; folder !== dirname(folder); folder = dirname(folder)) {
    bins.push(join(folder, 'node_modules', '.bin'));
  }
  log.info(`> ${command} ${args.join(' ')}`);
  const { status, error } = spawnSync(command, args, {
    cwd: home,
    env: { ...process.env, PATH: [...bins, process.env.PATH].join(delimiter) },
    stdio: ['inherit', 2, 2],
    shell: process.platform === 'win32',
  });
  if (status === 0) return;
  throw new EngineError(`${command} failed`, {
    where: home,
    found: error?.message ?? `exit code ${status}`,
    help: 'docs/gpu.md says what is needed',
    cause: error,
  });
}

/** A matrix product on the GPU, in a process of its own: a library that cannot be loaded may end it. */
function tryCuda(): string {
  const script = `
    const { setupEngine, tf } = await import(${JSON.stringify(new URL('../index.js', import.meta.url))});
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
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', script],
    { encoding: 'utf8' },
  );
  if (status === 0) return stdout.trim();
  throw new EngineError('CUDA cannot be used yet', {
    found: stderr.trim() || `its process ended by ${signal}`,
    help: 'docs/gpu.md says what is needed',
  });
}
