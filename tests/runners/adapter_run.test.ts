import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { openCheckpoint, openPeftAdapter, savedState, saveTorch } from '#src/checkpoint/index.js';
import { CheckpointError, RunInterrupted } from '#src/common/errors.js';
import type { RunHook } from '#src/runners/index.js';
import { temporaryFolder } from '../support.js';
import { contentOf, logLines, type TinyRun, tinyRun } from './tiny_run.js';

const folder = temporaryFolder();
const LORA = ['model.lora.r=2', 'model.lora.alpha=4', 'model.lora.dropout=0.2'];

/** Sends this process a SIGINT after so many micro-steps. */
function stopAfter(steps: number): RunHook {
  let done = 0;
  return { afterStep: () => void (++done === steps && process.kill(process.pid, 'SIGINT')) };
}

describe('a run that trains adapters', () => {
  let tiny: TinyRun;
  const start: string[] = [];
  before(async () => {
    tiny = await tinyRun(folder);
    for (const [seed, name] of ['base.pth', 'other.pth'].entries()) {
      const { model } = await tiny.runner(`draws_${seed}`, [`run.seed=${seed}`]);
      await saveTorch(join(folder, name), { model: savedState(model.stateDict()) });
      model.dispose();
    }
    start.push('model.load_pretrained=True', `model.pretrained=${join(folder, 'base.pth')}`);
  });

  const train = async (name: string, options: string[], hooks: RunHook[] = []) => {
    const runner = await tiny.runner(name, [...start, ...LORA, ...options], hooks);
    try {
      return { path: runner.folder.path, scores: await runner.train() };
    } finally {
      runner.model.dispose();
    }
  };

  it('saves adapters alone, in the form of PEFT too, and tests with the best of them', async () => {
    const { path, scores } = await train('whole', []);
    assert.ok('test' in scores);
    const best = join(path, 'checkpoint_best.pth');
    const checkpoint = await openCheckpoint(best);
    const names = [...checkpoint.stateDict().keys()];
    await checkpoint.close();
    assert.ok(names.length > 0 && names.every((name) => /\.lora_[AB]\.weight$/.test(name)));
    assert.ok(statSync(best).size < statSync(join(folder, 'base.pth')).size);
    const adapter = await openPeftAdapter(join(path, 'adapter_best'));
    await adapter.close();
    assert.equal(2 * adapter.pairs.size, names.length);
    const written = readdirSync(path).filter((name) => /^(checkpoint|adapter)_/.test(name));
    for (const name of written) {
      if (!name.endsWith('.pth')) continue;
      assert.ok(existsSync(join(path, name.replace('checkpoint', 'adapter').replace('.pth', ''))), name);
    }
    assert.ok(!existsSync(join(path, 'adapter_latest')));
  });

  it('that is stopped goes on bit for bit, between updates too', async () => {
    const options = ['run.accum_grad_iters=2', 'run.test_splits=[]'];
    const whole = await train('unstopped', options);
    for (const steps of [1, 4, 7]) {
      const name = `stopped_${steps}`;
      const stopped = await train(name, options, [stopAfter(steps)]).catch((thrown: unknown) => thrown);
      assert.ok(stopped instanceof RunInterrupted);
      const resumed = await train(name, [...options, `run.resume_ckpt_path=${stopped.checkpoint}`]);
      assert.deepEqual(logLines(resumed.path), logLines(whole.path));
      const [a, b] = [resumed, whole].map(({ path }) => contentOf(join(path, 'checkpoint_1.pth')));
      assert.deepEqual(await a, await b);
    }
  });

  it('does not go on beside another base, or as another adapter', async () => {
    const from = [`run.resume_ckpt_path=${join(folder, 'whole', 'job', 'checkpoint_best.pth')}`];
    for (const [options, said] of [
      [[`model.pretrained=${join(folder, 'other.pth')}`], /sha256 of the base/],
      [['model.lora.alpha=8'], /model\.lora\.alpha: 4 then, 8 now/],
    ] as const) {
      await assert.rejects(
        train(`changed_${options.length}_${said.source.length}`, [...from, ...options]),
        (error: Error) => {
          assert.ok(error instanceof CheckpointError, error.message);
          assert.match(error.message, said);
          return true;
        },
      );
    }
  });
});
