import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { type Config, Config as ConfigClass } from '#src/index.js';
import { claimJob, findJob } from '#src/runs/index.js';
import { logLines, type TinyRun, tinyRun } from '../runners/tiny_run.js';
import { temporaryFolder } from '../support.js';
import { jobFolder } from './lavis.js';

const folder = temporaryFolder();
const QUICK = ['run.max_epoch=1', 'run.valid_splits=[]', 'run.test_splits=[]'];

describe('the folder of a run', () => {
  let tiny: TinyRun;
  const configOf = (name: string): Promise<Config> => ConfigClass.fromFile(tiny.yaml, tiny.output(name));

  /** `lavis …` in a process of its own. */
  const lavis = (command: string, name: string, more: string[] = [], options: string[] = QUICK) =>
    new Promise<{ code: number | null; stderr: string }>((resolve) => {
      const argv = ['bin/lavis.js', command, '--cfg-path', tiny.yaml, '--device', 'cpu', ...more];
      const child = spawn(process.execPath, [...argv, '--options', ...tiny.output(name), ...options], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let stderr = '';
      child.stderr.on('data', (text) => {
        stderr += text;
      });
      child.once('close', (code) => resolve({ code, stderr }));
    });

  before(async () => {
    tiny = await tinyRun(folder);
  });

  it('is its own, however many runs start in the same second', async () => {
    const config = await configOf('second');
    const folders = await Promise.all(
      Array.from({ length: 5 }, async () => claimJob(await findJob(config, {}))),
    );
    assert.equal(new Set(folders).size, 5);
    assert.ok(folders.every((path) => existsSync(path)));
  });

  it('goes to one of two runs that ask for the same at the same time', async () => {
    const outcomes = await Promise.all(
      [1, 2].map((seed) => lavis('train', 'race', ['--job-id', 'exp1'], [...QUICK, `run.seed=${seed}`])),
    );
    assert.deepEqual(outcomes.map(({ code }) => code).sort(), [0, 1]);
    const refused = outcomes.find(({ code }) => code === 1)!;
    assert.match(refused.stderr, /ConfigError: the job 'exp1' is there already, and is not written over/);
    assert.match(refused.stderr, /lavis train --resume/);
    assert.match(refused.stderr, /rm -r .*exp1/);
    assert.equal(logLines(join(folder, 'race', 'exp1')).length, 1);
  });

  it('is not written over by a training or an evaluation, and is gone on with by --resume', async () => {
    const job = join(folder, 'reused', 'exp1');
    assert.equal((await lavis('train', 'reused', ['--job-id', 'exp1'])).code, 0);
    const log = readFileSync(join(job, 'log.txt'), 'utf8');
    for (const command of ['train', 'eval']) {
      const { code, stderr } = await lavis(
        command,
        'reused',
        ['--job-id', 'exp1'],
        ['run.test_splits=[test]'],
      );
      assert.equal(code, 1, stderr);
      assert.match(stderr, /is there already/);
    }
    assert.equal(readFileSync(join(job, 'log.txt'), 'utf8'), log);
    assert.equal((await lavis('train', 'reused', ['--job-id', 'exp2'])).code, 0);
    const resumed = await lavis(
      'train',
      'reused',
      ['--job-id', 'exp1', '--resume'],
      [...QUICK, 'run.max_epoch=2'],
    );
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.equal(logLines(job).length, 2, 'exp2 is newer, but exp1 was named');
  });

  it('is the same for all attempts of --max-restarts, which go on with no other job', async () => {
    assert.equal((await lavis('train', 'restarts', ['--job-id', 'last_week'])).code, 0);
    const plugin = join(folder, 'dies_once.mjs');
    writeFileSync(
      plugin,
      "if (process.env.RANK === '0' && process.env.TORCHELASTIC_RESTART_COUNT === '0') process.exit(7);\n",
    );
    const { code, stderr } = await lavis('train', 'restarts', ['--max-restarts', '1', '--plugin', plugin]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /started again \(1 of 1 restarts\)/);
    assert.doesNotMatch(stderr, /Nothing is left to train/);
    const [mine, ...others] = readdirSync(join(folder, 'restarts')).filter((job) => job !== 'last_week');
    assert.deepEqual(others, []);
    assert.ok(existsSync(join(folder, 'restarts', mine, 'checkpoint_0.pth')));
  });

  it('leaves nothing behind where the workers never begin', async () => {
    const plugin = join(folder, 'dies.mjs');
    writeFileSync(plugin, "if (process.env.RANK === '0') process.exit(7);\n");
    mkdirSync(join(folder, 'never'));
    const { code } = await lavis('train', 'never', ['--nproc-per-node', '2', '--plugin', plugin]);
    assert.equal(code, 7);
    assert.deepEqual(readdirSync(join(folder, 'never')), []);
  });

  it('tests its own best weights after it was copied', async () => {
    const original = join(folder, 'original');
    await (await tiny.runner('original', ['run.max_epoch=1'])).train();
    cpSync(original, join(folder, 'copy'), { recursive: true });
    // the original goes on, and is not what it was
    writeFileSync(join(jobFolder(original), 'checkpoint_best.pth'), 'other weights');
    const checkpoint = join(folder, 'copy', 'job', 'checkpoint_0.pth');
    const { test } = await (
      await tiny.runner('copy', [`run.resume_ckpt_path=${checkpoint}`, 'run.max_epoch=1'])
    ).train();
    assert.ok(Number.isFinite(test.agg_metrics));
  });
});
