/**
 * Two machines: two network namespaces with their own addresses, host names and a cable between them, and
 * one MPI job over TCP on both.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { jobFolder } from '../end_to_end/lavis.js';
import { contentOf } from '../runners/tiny_run.js';
import { temporaryFolder } from '../support.js';
import { finished, runRanks, workerFile } from './ranks.js';

const id = process.pid % 100000;
const machines = [0, 1].map((n) => ({
  namespace: `lavis${id}-${n}`,
  link: `lv${id}-${n}`,
  address: `10.77.${id % 250}.${n + 1}`,
}));
const [here, there] = machines;
const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' });

const skip = (() => {
  if (spawnSync('mpirun', ['--version']).status !== 0) return 'mpirun is not on PATH';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  try {
    for (const { namespace } of machines) ip('netns', 'add', namespace);
    ip('link', 'add', here.link, 'type', 'veth', 'peer', 'name', there.link);
    for (const { namespace, link, address } of machines) {
      ip('link', 'set', link, 'netns', namespace);
      ip('-n', namespace, 'addr', 'add', `${address}/24`, 'dev', link);
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
      ip('-n', namespace, 'link', 'set', link, 'up');
    }
    return false;
  } catch (error) {
    return `no network namespaces can be had: ${(error as Error).message.split('\n')[0]}`;
  }
})();
after(() => {
  for (const { namespace } of machines) {
    const { stdout } = spawnSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' });
    for (const pid of (stdout ?? '').split('\n').filter(Boolean)) spawnSync('kill', ['-9', pid]);
    spawnSync('ip', ['netns', 'del', namespace]);
  }
});

/** In place of ssh: a shell in the other namespace, under a host name of its own. */
function remoteShell(): string {
  const path = join(temporaryFolder(), 'remote_shell');
  const inside = 'hostname lavis-there; exec sh -c "$1"';
  writeFileSync(
    path,
    `#!/bin/sh\nshift\nexec ip netns exec ${there.namespace} unshare --uts sh -c '${inside}' sh "$*"\n`,
  );
  chmodSync(path, 0o755);
  return path;
}

function start(command: string[], env: Record<string, string> = {}) {
  const network = here.address.replace(/\.\d+$/, '.0/24');
  const mca = {
    plm_rsh_agent: remoteShell(),
    btl: 'tcp,self',
    pml: 'ob1',
    btl_tcp_if_include: network,
    oob_tcp_if_include: network,
  };
  return spawn(
    'ip',
    [
      ...['netns', 'exec', here.namespace, 'mpirun', '--allow-run-as-root', '-np', '2'],
      ...['--host', machines.map(({ address }) => `${address}:1`).join()],
      ...Object.entries(mca).flatMap(([name, value]) => ['--mca', name, value]),
      ...Object.entries(env).flatMap(([name, value]) => ['-x', `${name}=${value}`]),
      ...[process.execPath, ...command],
    ],
    { env: process.env },
  );
}

test('two machines train to the weights of two local workers', { skip }, async () => {
  type Trained = { rank: number; digest: string };
  const mpi = await finished(start([workerFile('training'), 'digest']));
  const [local] = await runRanks(2, 'training', ['digest']);
  assert.equal(mpi.code, 0, mpi.output);
  assert.equal(mpi.values.length, 2);
  for (const { digest } of mpi.values as Trained[]) {
    assert.equal(digest, (local.values[0] as Trained).digest);
  }
});

test('the shapes model learns on two machines what it learns on one, and what one worker does', {
  skip,
}, async () => {
  const folder = temporaryFolder();
  /** `lavis train` of 40 captions in batches of 8, over all workers. */
  const command = (name: string, workers: number, ...flags: string[]) => [
    ...['bin/lavis.js', 'train', '--cfg-path', 'projects/blip/train/caption_shapes.yaml'],
    ...['--device', 'cpu', ...flags, '--options'],
    ...[`run.output_dir=${join(folder, name)}`, `run.batch_size_train=${8 / workers}`],
    ...['run.max_epoch=1', 'run.warmup_steps=2', 'run.num_workers=0', 'run.num_beams=1'],
    `datasets.shapes_caption.build_info.storage=${join(folder, 'scenes')}`,
    ...['train=20', 'val=2', 'test=2'].map((n) => `datasets.shapes_caption.build_info.scenes.${n}`),
    'model.vit_drop_path_rate=0',
  ];
  const weights = async (name: string) => {
    const path = join(jobFolder(join(folder, name)), 'checkpoint_0.pth');
    return ((await contentOf(path)) as { model: Record<string, Float32Array> }).model;
  };
  const env = { LAVIS_THREADS: '1' };
  const local = (name: string, workers: number) =>
    spawn(process.execPath, command(name, workers, '--nproc-per-node', String(workers)), {
      env: { ...process.env, ...env },
    });
  const runs = [() => local('one', 1), () => local('two', 2), () => start(command('apart', 2), env)];
  for (const run of runs) {
    const { code, output } = await finished(run());
    assert.equal(code, 0, output);
  }
  const [one, two, apart] = [await weights('one'), await weights('two'), await weights('apart')];
  assert.deepEqual(apart, two);
  const norm = (values: Float32Array) => Math.hypot(...values);
  for (const [name, values] of Object.entries(one)) {
    // position_ids; and key biases, whose gradient is zero but for rounding, of which Adam makes steps.
    if (!(values instanceof Float32Array) || name.endsWith('key.bias')) continue;
    const key = (i: number) => name.endsWith('qkv.bias') && Math.floor((3 * i) / values.length) === 1;
    const apartBy = values.map((value, i) => (key(i) ? 0 : value - two[name][i]));
    const difference = norm(apartBy) / norm(values);
    assert.ok(difference < 1e-5, `${name}: relative difference ${difference}`);
  }
});

test('a cable that is pulled ends the waiting with an error', { skip }, async () => {
  const job = start([workerFile('collectives'), 'endless'], { TEST_TIMEOUT: '3' });
  const end = finished(job);
  const said = (text: RegExp) =>
    new Promise<void>((resolve) => {
      let output = '';
      const look = (chunk: Buffer) => {
        output += chunk;
        if (text.test(output)) resolve();
      };
      job.stdout.on('data', look);
      job.once('close', () => resolve());
    });
  await said(/started/);
  const cable = (state: 'up' | 'down') => ip('-n', there.namespace, 'link', 'set', there.link, state);
  const pulled = performance.now();
  cable('down');
  await said(/not done in|did not come/);
  const waited = (performance.now() - pulled) / 1000;
  cable('up'); // mpirun ends the other machine's rank over the same cable.
  const { code, output } = await end;
  assert.notEqual(code, 0);
  assert.match(output, /allReduce 'step \d+' of 4000000 bytes (was not done )?in 3 s/);
  assert.ok(waited < 30, `${waited} s`);
});
