import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { it } from 'node:test';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();

/** The package as npm has laid it out when its script runs; onnxruntime-node is beside it or not there. */
function install(name: string, beside: boolean) {
  const modules = join(folder, name, 'node_modules');
  mkdirSync(join(modules, 'lavis', 'scripts'), { recursive: true });
  const script = join(modules, 'lavis', 'scripts', 'keep_library.mjs');
  copyFileSync('scripts/keep_library.mjs', script);
  if (beside)
    symlinkSync(resolve('node_modules', 'onnxruntime-node'), join(modules, 'onnxruntime-node'), 'dir');
  const { status, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return modules;
}

it('keeps the library for when npm takes onnxruntime-node away, and the engine loads it from there', () => {
  const modules = install('kept', true);
  rmSync(join(modules, 'onnxruntime-node'));
  const native = readdirSync(join(modules, 'lavis', 'native'));
  assert.ok(native.some((name) => name.includes('onnxruntime')));
  assert.ok(!native.some((name) => name.endsWith('.node')));
  // The built files, over this checkout's packages without onnxruntime-node.
  symlinkSync(resolve('dist'), join(modules, 'lavis', 'dist'), 'dir');
  for (const name of readdirSync('node_modules')) {
    if (name !== 'onnxruntime-node') symlinkSync(resolve('node_modules', name), join(modules, name));
  }
  const program = `
    const { loadCApi } = await import(${JSON.stringify(join(modules, 'lavis/dist/engine/onnx/c_api.js'))});
    console.log(typeof loadCApi().api.run);`;
  const options = ['--preserve-symlinks', '--input-type=module', '-e', program];
  const { stdout, stderr } = spawnSync(process.execPath, options, { encoding: 'utf8' });
  assert.equal(stdout, 'function\n', stderr);
});

it('does nothing where there is nothing to keep', () => {
  assert.ok(!existsSync(join(install('bare', false), 'lavis', 'native')));
});
