import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type TinyRun, tinyRun } from '../runners/tiny_run.js';
import { temporaryFolder } from '../support.js';
import { jobFolder } from './lavis.js';

const folder = temporaryFolder();
const other = temporaryFolder();
const STACK = /\n\s+at \S/;
/** More steps than any test waits for. */
const LONG = ['run.max_epoch=100000', 'run.save_freq=0', 'run.valid_splits=[]', 'run.keep_last=1'];
const SHORT = ['run.max_epoch=1', 'run.valid_splits=[]'];
const hasFullDevice = existsSync('/dev/full');

interface Streams {
  stdout?: number | 'pipe' | 'ignore';
  stderr?: number | 'pipe';
  env?: Record<string, string>;
}

/** `lavis …` in a process of its own. */
function lavis(argv: string[], { stdout = 'ignore', stderr = 'pipe', env = {} }: Streams = {}) {
  const child = spawn(process.execPath, ['bin/lavis.js', ...argv], {
    stdio: ['ignore', stdout, stderr],
    env: { ...process.env, _: '', ...env },
    detached: true, // a group of its own
  });
  let words = '';
  child.stderr?.on('data', (text) => {
    words += text;
  });
  const ended = new Promise<number | string>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal!));
  });
  const hears = async (text: string) => {
    while (!words.includes(text)) {
      assert.equal(child.exitCode, null, words);
      await sleep(5);
    }
  };
  return { child, ended, hears, stderr: () => words };
}

describe('a run', () => {
  let tiny: TinyRun;
  const train = (name: string, options: string[], more: string[] = []) => [
    ...['train', '--cfg-path', tiny.yaml, '--device', 'cpu', ...more],
    ...['--options', ...tiny.output(name), ...options],
  ];
  const saved = (name: string) =>
    readdirSync(jobFolder(join(folder, name))).includes('checkpoint_latest.pth');

  before(async () => {
    tiny = await tinyRun(folder);
  });

  it('saves at Ctrl-C when the reader of its log has gone with it', async () => {
    const { child, ended, hears } = lavis(train('tee', LONG));
    await hears('Training for');
    child.stderr!.destroy();
    child.kill('SIGINT');
    assert.equal(await ended, 130);
    assert.ok(saved('tee'));
  });

  it('goes on without a reader of its log', async () => {
    const { child, ended, hears } = lavis(train('reader', ['run.max_epoch=20']));
    await hears('Training for');
    child.stderr!.destroy();
    assert.equal(await ended, 0);
  });

  for (const workers of ['1', '2']) {
    it(`with ${workers} of its workers saves when its terminal closes, which may be told twice`, async () => {
      const name = `hangup_${workers}`;
      const { child, ended, hears, stderr } = lavis(train(name, LONG, ['--nproc-per-node', workers]));
      await hears('Training for');
      child.kill('SIGHUP');
      child.kill('SIGHUP');
      assert.equal(await ended, 129, stderr());
      assert.ok(saved(name));
      assert.match(stderr(), /SIGHUP: finishing this step and saving/);
    });

    it(`with ${workers} of its workers goes on when its terminal closes, where nohup started it`, async () => {
      const name = `nohup_${workers}`;
      const { child, ended, hears, stderr } = lavis(train(name, LONG, ['--nproc-per-node', workers]), {
        env: { _: '/usr/bin/nohup' },
      });
      await hears('Training for');
      child.kill('SIGHUP');
      await sleep(300);
      assert.equal(child.exitCode, null, stderr());
      child.kill('SIGTERM');
      assert.equal(await ended, 143, stderr());
      assert.doesNotMatch(stderr(), /SIGHUP/);
    });
  }

  it('whose workers get the signal from the launcher and from the terminal saves', async () => {
    const { child, ended, hears, stderr } = lavis(train('group', LONG, ['--nproc-per-node', '2']));
    await hears('Training for');
    process.kill(-child.pid!, 'SIGTERM'); // all of its group, as a terminal's Ctrl-C
    assert.equal(await ended, 143, stderr());
    assert.ok(saved('group'));
  });

  it('ends as it should where the disk under its log is full', { skip: !hasFullDevice }, async () => {
    const { ended } = lavis(train('full_log', SHORT), { stderr: openSync('/dev/full', 'w') });
    assert.equal(await ended, 0);
    assert.ok(existsSync(join(jobFolder(join(folder, 'full_log')), 'checkpoint_0.pth')));
  });

  it('ends as it should without a place for its scores', { skip: !hasFullDevice }, async () => {
    const { ended, stderr } = lavis(train('full_output', SHORT), { stdout: openSync('/dev/full', 'w') });
    assert.equal(await ended, 0, stderr());
    assert.match(stderr(), /^lavis: standard output cannot be written: the disk is full$/m);
    assert.doesNotMatch(stderr(), STACK);
    assert.ok(existsSync(join(jobFolder(join(folder, 'full_output')), 'report.html')));
  });

  it('goes on without log.txt, and says so', async () => {
    mkdirSync(join(folder, 'no_log', 'job', 'log.txt', 'x'), { recursive: true });
    const runner = await tiny.runner('no_log', SHORT);
    assert.deepEqual(Object.keys(await runner.train()), ['test']);
    assert.ok(existsSync(join(folder, 'no_log', 'job', 'checkpoint_0.pth')));
  });
});

describe('a command whose output cannot be written', () => {
  let tiny: TinyRun;
  let weights: string;
  before(async () => {
    tiny = await tinyRun(other);
    const runner = await tiny.runner('weights', [...SHORT, 'run.test_splits=[]']);
    await runner.train();
    weights = join(runner.folder.path, 'checkpoint_0.pth');
  });
  const commands = [
    ['zoo'],
    ['data', '--cfg-path', 'TINY'],
    ['config', '--cfg-path', 'TINY'],
    [
      ...['eval', '--cfg-path', 'TINY', '--device', 'cpu', '--checkpoint', 'WEIGHTS'],
      ...['--options', `run.output_dir=${join(folder, 'eval')}`],
    ],
  ];
  for (const command of commands) {
    const argv = () => command.map((word) => ({ TINY: tiny.yaml, WEIGHTS: weights })[word] ?? word);

    it(`lavis ${command[0]} says that the disk is full, in a line`, { skip: !hasFullDevice }, async () => {
      const { ended, stderr } = lavis(argv(), { stdout: openSync('/dev/full', 'w') });
      assert.equal(await ended, 1);
      assert.match(stderr(), /^lavis: standard output cannot be written: the disk is full$/m);
      assert.doesNotMatch(stderr(), STACK);
    });

    it(`lavis ${command[0]} ends quietly when its reader has gone`, async () => {
      const { child, ended, stderr } = lavis(argv(), { stdout: 'pipe' });
      child.stdout!.destroy();
      assert.equal(await ended, 0, stderr());
      assert.doesNotMatch(stderr(), STACK);
      assert.doesNotMatch(stderr(), /EPIPE|cannot be written/);
    });
  }
});
