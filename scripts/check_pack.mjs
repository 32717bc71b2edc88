/**
 * Packs the project, installs the package into an empty one, and uses its `lavis` from other folders. Takes the
 * packages from npm's cache where they are there.
 *
 *   node scripts/check_pack.mjs [--linked | --scripts]
 *
 * --linked: dependencies are this checkout's, nothing is fetched. --scripts: runs the packages' install scripts, as npm
 * does in a project without our .npmrc, where onnxruntime-node's cannot reach its download.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const linked = process.argv.includes('--linked');
const scripts = process.argv.includes('--scripts');
/** onnxruntime-node's script goes through this proxy, where nobody answers. */
const env = scripts ? { ...process.env, GLOBAL_AGENT_HTTPS_PROXY: 'http://127.0.0.1:9' } : process.env;
const folder = mkdtempSync(join(tmpdir(), 'lavis-pack-'));

function run(cwd, command, ...args) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  if (status === 0) return stdout;
  throw new Error(`${[command, ...args].join(' ')} ended with ${status}\n${stdout}${stderr}`);
}

function expect(what, text, pattern) {
  if (!pattern.test(text)) throw new Error(`${what} printed no ${pattern}:\n${text}`);
  console.log(`ok: ${what}`);
}

try {
  const app = join(folder, 'app');
  mkdirSync(app);
  writeFileSync(join(app, 'package.json'), '{ "private": true, "type": "module" }\n');
  const packed = run('.', 'npm', 'pack', '--pack-destination', folder).trim().split('\n').at(-1);
  if (linked) link(app, join(folder, packed));
  else
    run(
      app,
      'npm',
      'install',
      `--ignore-scripts=${!scripts}`,
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      `../${packed}`,
    );

  if (scripts) {
    const kept = readdirSync(join(app, 'node_modules', 'lavis', 'native')).join();
    expect('the library kept of onnxruntime-node, whose script failed', kept, /onnxruntime/);
    if (existsSync(join(app, 'node_modules', 'onnxruntime-node')))
      throw new Error('onnxruntime-node is still there');
  }
  const bin = join(app, 'node_modules', '.bin', 'lavis');
  expect('lavis --version', run(app, bin, '--version'), /^\d+\.\d+\.\d+\n$/);
  expect('npx lavis --version', run(app, 'npx', '--no-install', 'lavis', '--version'), /^\d+\.\d+\.\d+\n$/);
  expect('lavis completion', run(app, bin, 'completion'), /complete .* lavis\n/);
  expect('completion of a command', run(app, bin, '--get-yargs-completions', 'lavis', 'tr'), /^train/m);
  expect('lavis zoo, from another folder', run(tmpdir(), bin, 'zoo'), /^blip_caption +base_coco, /m);
  writeFileSync(join(app, 'use.js'), "import { modelZoo } from 'lavis';\nconsole.log(modelZoo());\n");
  expect("import … from 'lavis'", run(app, process.execPath, 'use.js'), /blip_caption/);
  run(app, 'npx', '--no-install', 'lavis', 'init', join(folder, 'mine'));
  const trained = run(
    join(folder, 'mine'),
    bin,
    'train',
    '--cfg-path',
    'run.yaml',
    '--options',
    'run.max_epoch=1',
  );
  expect('npx lavis init, then lavis train there', trained, /CIDEr/);
  const image = join('images', 'scene_01.jpg');
  const said = run(join(folder, 'mine'), bin, 'caption', image, '--cfg-path', 'run.yaml');
  expect('lavis caption', said, /^images.scene_01\.jpg: \w+/);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** As npm install would place it, over the dependencies that are here already. */
function link(app, tarball) {
  const modules = join(app, 'node_modules');
  const target = join(modules, 'lavis');
  mkdirSync(target, { recursive: true });
  run(target, 'tar', '-xzf', tarball, '--strip-components=1');
  for (const name of readdirSync('node_modules')) {
    if (name !== '.bin' && name !== 'lavis') symlinkSync(resolve('node_modules', name), join(modules, name));
  }
  mkdirSync(join(modules, '.bin'));
  symlinkSync(join(target, 'bin', 'lavis.js'), join(modules, '.bin', 'lavis'));
}
