import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Rng } from '#src/common/random.js';
import { contentOf, logLines, type TinyRun, tinyRun } from '../runners/tiny_run.js';
import { temporaryFolder } from '../support.js';
import { jobFolder } from './lavis.js';

/** How many kills; LAVIS_KILLS=100 for the long form. */
const KILLS = Number(process.env.LAVIS_KILLS ?? 2);
const folder = temporaryFolder();
const OPTIONS = ['run.max_epoch=3', 'run.save_every_iters=1', 'run.save_freq=1', 'run.accum_grad_iters=2'];

describe('a run that dies', () => {
  let tiny: TinyRun;
  let whole: string;

  /** Starts `lavis train --resume`. */
  const start = (name: string) => {
    const argv = ['bin/lavis.js', 'train', '--cfg-path', tiny.yaml, '--device', 'cpu', '--resume'];
    const child = spawn(process.execPath, [...argv, '--options', ...tiny.output(name), ...OPTIONS], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    const ended = new Promise<number>((resolve) => {
      child.once('exit', (code, signal) => resolve(signal ? -1 : code!));
    });
    /** Whether it trains; false when it has ended without, having nothing left to train. */
    const training = async () => {
      while (child.exitCode === null && child.signalCode === null) {
        if (stderr.includes('Training for')) return true;
        await sleep(5);
      }
      return false;
    };
    return { child, ended, training, stderr: () => stderr };
  };

  before(async () => {
    tiny = await tinyRun(folder);
    const { ended, stderr } = start('whole');
    assert.equal(await ended, 0, stderr());
    whole = jobFolder(join(folder, 'whole'));
  });

  it(`by kill -9 at ${KILLS} random moments and is resumed each time ends as one that was never killed`, async () => {
    const rng = Rng.of(Date.now(), 'kills');
    let kills = 0;
    let attempt = 0;
    while (kills < KILLS) {
      const name = `killed_${attempt++}`;
      for (;;) {
        const { child, ended, training, stderr } = start(name);
        const running = await training();
        if (running && kills < KILLS) {
          await Promise.race([ended, sleep(rng.uniform(0, 700))]);
          if (child.kill('SIGKILL')) kills++;
        }
        const code = await ended;
        if (code === 0) break;
        assert.equal(code, -1, stderr());
        assertWhole(join(folder, name));
      }
      // Killed before its first checkpoint, a run starts again in a folder of its own.
      const job = join(folder, name, readdirSync(join(folder, name)).sort().at(-1)!);
      assert.deepEqual(logLines(job), logLines(whole));
      for (const checkpoint of ['checkpoint_2.pth', 'checkpoint_best.pth']) {
        assert.deepEqual(await contentOf(join(job, checkpoint)), await contentOf(join(whole, checkpoint)));
      }
    }
  });

  it('by SIGTERM saves first, and exits with 143', async () => {
    const { child, ended, training } = start('terminated');
    assert.ok(await training());
    child.kill('SIGTERM');
    assert.equal(await ended, 143);
    const job = jobFolder(join(folder, 'terminated'));
    assert.ok(readdirSync(job).includes('checkpoint_latest.pth'));
    assert.equal(await start('terminated').ended, 0);
    assert.deepEqual(logLines(job), logLines(whole));
  });
});

/** Every log under an output folder is made of whole JSON lines. */
function assertWhole(outputDir: string): void {
  for (const job of readdirSync(outputDir)) {
    for (const name of readdirSync(join(outputDir, job)).filter((file) => file.endsWith('.txt'))) {
      const text = readFileSync(join(outputDir, job, name), 'utf8');
      assert.ok(text.endsWith('\n'), name);
      for (const line of text.trimEnd().split('\n')) JSON.parse(line);
    }
  }
}
