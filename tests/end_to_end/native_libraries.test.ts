/** Libraries below us run as part of a real command: they leave no file, send nothing, and say nothing. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type TinyRun, tinyRun } from '../runners/tiny_run.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();
const PHOTOS = 120;
/** More than the 6.7 kB on which ONNX Runtime's telemetry overflows the stack. */
const LONG = 8192;

/** A Vulkan loader of this machine; without a driver, Dawn prints a stack trace as it looks for one. */
const LOADER = ['/usr/lib/chromium/libvulkan.so.1', '/usr/lib/x86_64-linux-gnu/libvulkan.so.1'].find(
  existsSync,
);

/** A home, a cache and a temporary folder in which nobody has been, and what a process leaves there. */
function freshHome(variables: NodeJS.ProcessEnv = {}) {
  const home = mkdtempSync(join(folder, 'home-'));
  const [cache, temporary] = [join(home, '.cache'), join(home, 'tmp')];
  mkdirSync(temporary);
  const env = { ...process.env, HOME: home, XDG_CACHE_HOME: cache, TMPDIR: temporary, ...variables };
  const left = () => readdirSync(home, { recursive: true, withFileTypes: true }).filter((e) => e.isFile());
  return { env, left: () => left().map((entry) => join(entry.parentPath, entry.name)) };
}

const node = (env: NodeJS.ProcessEnv, ...args: string[]) =>
  spawnSync(process.execPath, args, { env, encoding: 'utf8' });

let tiny: TinyRun;
let command: string[];
before(async () => {
  tiny = await tinyRun(folder, { max_epoch: 1, test_splits: [] });
  await (await tiny.runner('out')).train();
  command = ['--cfg-path', tiny.yaml, '--options', ...tiny.output('out')];
});

describe('ONNX Runtime tells nobody', () => {
  it('captions photos named one by one on a long command line, and leaves no file', () => {
    const photos = Array.from({ length: PHOTOS }, (_, i) => {
      const path = join(folder, `photo_of_a_long_afternoon_in_the_garden_${i}.png`);
      copyFileSync(join(folder, 'images', 'tiny_1.png'), path);
      return path;
    });
    assert.ok(photos.join(' ').length > LONG);
    const { env, left } = freshHome({ ORT_DISABLE_TELEMETRY: '0' });
    const said = node(env, 'bin/lavis.js', 'caption', ...photos, ...command);
    assert.equal(said.signal, null, said.stderr);
    assert.equal(said.status, 0, said.stderr);
    assert.equal(said.stdout.trimEnd().split('\n').length, PHOTOS);
    assert.deepEqual(left(), []);
  });

  it('trains and evaluates with launched workers, and leaves no file', () => {
    const { env, left } = freshHome();
    const args = [
      'train',
      '--nproc-per-node',
      '2',
      ...command,
      'run.max_epoch=1',
      ...tiny.output('launched'),
    ];
    const trained = node(env, 'bin/lavis.js', ...args);
    assert.equal(trained.status, 0, trained.stderr);
    assert.deepEqual(left(), []);
  });

  it('loads in a worker thread of a program that uses the library, whose variables are a copy', () => {
    const { env, left } = freshHome();
    const thread = `
      import(${JSON.stringify(pathToFileURL('dist/index.js'))}).then(async ({ setupEngine, tf }) => {
        await setupEngine({ device: 'cpu' });
        console.log(tf.matMul(tf.ones([64, 64]), tf.ones([64, 64])).dataSync()[0]);
      });`;
    const program = "new (require('node:worker_threads').Worker)(process.argv[1], { eval: true, env: {} });";
    const ran = node(env, '-e', program, thread, 'x'.repeat(LONG));
    assert.equal(ran.status, 0, ran.stderr);
    assert.equal(ran.stdout, '64\n');
    assert.deepEqual(left(), []);
  });
});

describe('native libraries are silent', () => {
  const looking = (LAVIS_DEBUG: string) => {
    const { env } = freshHome({
      LAVIS_DEBUG,
      LAVIS_VULKAN_LOADER: LOADER,
      VK_ICD_FILENAMES: '/nowhere.json',
    });
    const args = ['caption', join(folder, 'images', 'tiny_1.png'), ...command];
    return node(env, 'bin/lavis.js', ...args, 'run.device=auto');
  };

  it('on a machine with a Vulkan loader and no driver', { skip: !LOADER && 'no Vulkan loader' }, () => {
    const said = looking('');
    assert.equal(said.status, 0, said.stderr);
    assert.match(said.stderr, /webgpu: no graphics adapter/);
    assert.doesNotMatch(said.stderr, /vkCreateInstance|Warning|^ +at /m);
  });

  it('unless LAVIS_DEBUG=1 asks them', { skip: !LOADER && 'no Vulkan loader' }, () => {
    assert.match(looking('1').stderr, /vkCreateInstance/);
  });

  it('and ONNX Runtime prints no error beside the one that is thrown', () => {
    const program = `
      import { Sessions, ort } from '#src/engine/onnx/sessions.js';
      const x = ort(new Float32Array(3), [3]);
      const node = { op: 'Reshape', inputs: ['x', 'shape'], outputs: ['y'] };
      const spec = { inputs: { x: 'float32', shape: 'int64' }, outputs: { y: 'float32' }, nodes: [node] };
      const shape = ort(BigInt64Array.of(2n), [1]);
      try {
        new Sessions(1).run('bad', () => spec, { x, shape }, { y: ort(new Float32Array(2), [2]) });
      } catch (error) {
        console.log(error.message);
      }`;
    const ran = node({ ...process.env, LAVIS_DEBUG: '' }, '--input-type=module', '-e', program);
    assert.match(ran.stdout, /ONNX Runtime: .*Reshape/);
    assert.equal(ran.stderr, '');
  });
});
