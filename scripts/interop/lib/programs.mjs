import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The options of every case that installs something. */
export const programOptions = {
  folder: { type: 'string', default: 'build/interop' },
  python: { type: 'string', default: 'python3' },
};

const run = (command, args, options = {}) =>
  execFileSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], ...options });

const here = dirname(fileURLToPath(import.meta.url));
/** A script of the other side. */
export const peer = (name) => join(here, '../peers', name);
export const lavis = (...args) => run(process.execPath, [join(here, '../../../bin/lavis.js'), ...args]);

/** A virtual environment with PyTorch below --folder. @returns its Python */
export function torchPython({ folder, python }) {
  const home = resolve(folder, 'venv');
  const own = join(home, 'bin', 'python');
  if (!existsSync(own)) {
    run(python, ['-m', 'venv', home]);
    const packages = ['torch', 'torchvision', 'numpy', 'pillow', 'safetensors', 'setuptools', 'wheel'];
    run(own, ['-m', 'pip', 'install', '-q', ...packages]);
  }
  return own;
}

/**
 * Packages in a folder of their own, so that several versions go beside one PyTorch.
 * @param alone packages without what they depend on, which may be PyTorch itself
 * @returns what PYTHONPATH names
 */
export function pythonPackages({ folder }, python, name, packages, alone = []) {
  const target = resolve(folder, name);
  if (existsSync(target)) return target;
  const install = (...rest) => run(python, ['-m', 'pip', 'install', '-q', '--target', target, ...rest]);
  install(...packages);
  if (alone.length > 0) install('--no-deps', '--no-build-isolation', ...alone);
  return target;
}

/** @returns the folder whose node_modules has the packages */
export function npmPackages({ folder }, name, packages) {
  const home = resolve(folder, name);
  if (!packages.every((one) => existsSync(join(home, 'node_modules', one)))) {
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, 'package.json'), '{"private": true}');
    run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...packages], { cwd: home });
  }
  return home;
}

/** The last line that a Python script prints, as JSON. */
export function askPython(python, script, args, pythonPath) {
  const printed = execFileSync(python, [peer(script), ...args], {
    encoding: 'utf8',
    env: {
      ...process.env,
      PYTHONPATH: pythonPath,
      HF_HUB_OFFLINE: '1',
      TRANSFORMERS_VERBOSITY: 'error',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(printed.trim().split('\n').at(-1));
}
