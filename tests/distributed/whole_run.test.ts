import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { jobFolder } from '../end_to_end/lavis.js';
import { contentOf, type TinyRun, tinyRun } from '../runners/tiny_run.js';
import { temporaryFolder } from '../support.js';
import { finished } from './ranks.js';

const folder = temporaryFolder();
const noPgrep = spawnSync('pgrep', ['--version']).error ? 'pgrep is not on PATH' : false;
const noMpi = spawnSync('mpirun', ['--version']).status === 0 ? false : 'mpirun is not on PATH';
interface Content {
  model: Record<string, Float32Array>;
}

describe('a whole run of several workers', () => {
  let tiny: TinyRun;
  let still: string[];

  /** `lavis train`, with what goes before and after. */
  const start = (name: string, { mpi = 0, flags = [] as string[], options = [] as string[] } = {}) => {
    const lavis = ['bin/lavis.js', 'train', '--cfg-path', tiny.yaml, '--device', 'cpu', ...flags];
    const argv = [...lavis, '--options', ...tiny.output(name), ...still, ...options];
    const env = { ...process.env, LAVIS_THREADS: '1' };
    return mpi
      ? spawn('mpirun', ['--allow-run-as-root', '-np', String(mpi), process.execPath, ...argv], { env })
      : spawn(process.execPath, argv, { env });
  };
  const weights = async (name: string) => {
    const job = jobFolder(join(folder, name));
    return ((await contentOf(join(job, 'checkpoint_1.pth'))) as Content).model;
  };

  before(async () => {
    tiny = await tinyRun(folder);
    // What ranks draw for themselves (dropout, stochastic depth) is out of the comparison.
    const { model } = JSON.parse(readFileSync(tiny.yaml, 'utf8'));
    const med = JSON.parse(readFileSync(model.med_config_path, 'utf8'));
    const path = join(folder, 'med.json');
    writeFileSync(path, JSON.stringify({ ...med, hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 }));
    still = [`model.med_config_path=${path}`, 'model.vit_drop_path_rate=0'];
    const { code, output } = await finished(start('one', { options: ['run.batch_size_train=4'] }));
    assert.equal(code, 0, output);
  });

  /** The largest |a - b| / |a| over the parameters, as vectors. */
  const worst = async (name: string) => {
    const [one, other] = [await weights('one'), await weights(name)];
    const norm = (values: Float32Array) => Math.hypot(...values);
    let difference = 0;
    for (const [parameter, values] of Object.entries(one)) {
      if (!(values instanceof Float32Array)) continue; // position_ids
      // The gradient of a key's bias is zero but for rounding, of which Adam makes steps.
      if (parameter.endsWith('key.bias')) continue;
      difference = Math.max(difference, norm(values.map((v, i) => v - other[parameter][i])) / norm(values));
    }
    return difference;
  };

  it('ends with the weights of one worker with the whole batch, and with its scores', async () => {
    const child = start('two', { flags: ['--nproc-per-node', '2'], options: ['run.batch_size_train=2'] });
    const { code, output } = await finished(child);
    assert.equal(code, 0, output);
    const difference = await worst('two');
    assert.ok(difference < 1e-5, `relative difference ${difference}`);
    const scores = (name: string) =>
      readFileSync(join(jobFolder(join(folder, name)), 'evaluate.txt'), 'utf8');
    assert.deepEqual(
      scores('two')
        .trimEnd()
        .split('\n')
        .map((line) => Object.keys(JSON.parse(line))),
      [['val'], ['val'], ['test']],
    );
    assert.equal(scores('two'), scores('one'));
  });

  it('runs under mpirun as well, to the same weights as with local workers', { skip: noMpi }, async () => {
    const child = start('mpi', { mpi: 2, options: ['run.batch_size_train=2'] });
    const { code, output } = await finished(child);
    assert.equal(code, 0, output);
    assert.deepEqual(await weights('mpi'), await weights('two'));
  });

  it('goes on from its newest checkpoint after a worker was killed, to the same weights', {
    skip: noPgrep,
  }, async () => {
    const options = ['run.batch_size_train=2', 'run.save_freq=1'];
    const child = start('killed', { flags: ['--nproc-per-node', '2', '--max-restarts', '1'], options });
    const end = finished(child);
    const saved = () =>
      existsSync(join(folder, 'killed')) &&
      readdirSync(join(folder, 'killed')).some((job) =>
        existsSync(join(folder, 'killed', job, 'checkpoint_0.pth')),
      );
    while (!saved() && child.exitCode === null) await sleep(5);
    const workers = spawnSync('pgrep', ['-P', String(child.pid)], { encoding: 'utf8' });
    process.kill(Number(workers.stdout.trim().split('\n').at(-1)), 'SIGKILL');
    const { code, output } = await end;
    assert.equal(code, 0, output);
    assert.match(output, /rank 1 of 2 failed first \(killed by SIGKILL\)/);
    assert.match(output, /started again/);
    assert.deepEqual(await weights('killed'), await weights('two'));
  });

  it('ends with the message of a rank that cannot read its image', async () => {
    const annotations = JSON.parse(readFileSync(join(folder, 'train.json'), 'utf8'));
    annotations[3].image = 'nowhere.png';
    const path = join(folder, 'broken.json');
    writeFileSync(path, JSON.stringify(annotations));
    const options = [`datasets.coco_caption.build_info.annotations.train.storage=${path}`];
    const { code, output, seconds } = await finished(
      start('broken', { flags: ['--nproc-per-node', '2'], options }),
    );
    assert.equal(code, 1, output);
    assert.match(output, /nowhere\.png/);
    assert.match(output, /failed first/);
    assert.ok(seconds < 60);
  });
});
