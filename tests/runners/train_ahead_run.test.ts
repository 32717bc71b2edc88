import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { TrainingError } from '#src/common/errors.js';
import { registry } from '#src/common/registry.js';
import type { Config } from '#src/config/index.js';
import { setupEngine, tf } from '#src/engine/index.js';
import type { BlipCaption, Model, Samples } from '#src/models/index.js';
import { CaptionTask, type StepLosses } from '#src/tasks/index.js';
import { useRecorder } from '../engine/recorder.js';
import { temporaryFolder } from '../support.js';
import { type TinyRun, tinyRun } from './tiny_run.js';

const BROKEN = 2;

/** The third step of a run has a gradient that is no number. */
class BrokenTask extends CaptionTask {
  static override readonly configSchema = CaptionTask.configSchema;
  #steps = 0;

  static override setupTask(config: Config): BrokenTask {
    const { settings, reportMetric, annotationFile } = CaptionTask.setupTask(config);
    return new BrokenTask(settings, reportMetric, annotationFile);
  }

  override trainStep(model: Model, samples: Samples): StepLosses {
    const step = super.trainStep(model, samples);
    if (this.#steps++ !== BROKEN) return step;
    const { bias } = (model as BlipCaption).visualEncoder.norm;
    return { ...step, loss: step.loss.add(bias.sum().mul(0).sqrt()) };
  }
}

registry.registerTask('captioning_with_a_broken_step')(BrokenTask);

const folder = temporaryFolder();

interface Line {
  kind: string;
  grad_norm?: number | null;
  [name: string]: unknown;
}

/** Trains one epoch of five steps on a backend. */
async function train(run: TinyRun, name: string, backend: string, options: string[]) {
  await setupEngine({ device: 'cpu' });
  const runner = await run.runner(name, options);
  await tf.setBackend(backend);
  await runner.train();
  const lines = readFileSync(join(runner.folder.path, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return { runner, lines: lines.map((line) => JSON.parse(line) as Line) };
}

describe('a run on an engine that is not waited for', () => {
  let run: TinyRun;
  let here: string;

  before(async () => {
    run = await tinyRun(folder, {
      task: 'captioning_with_a_broken_step',
      max_epoch: 1,
      valid_splits: [],
      test_splits: [],
      log_freq: 2,
      clip_grad_norm: 0.1,
    });
    here = (await setupEngine({ device: 'cpu' })).backend;
    await useRecorder();
  });

  it('skips a gradient that is no number, and logs what an engine logs that is waited for', async () => {
    const options = ['run.on_nan=skip'];
    const expected = await train(run, 'waited', here, options);
    const found = await train(run, 'ahead', 'recorder', options);
    assert.equal(expected.runner.state.skipped, 1);
    assert.equal(found.runner.state.skipped, 1);
    for (const kind of ['step', 'epoch']) {
      const [there, ahead] = [expected, found].map(({ lines }) => lines.filter((line) => line.kind === kind));
      assert.equal(ahead.length, kind === 'step' ? 4 : 1);
      for (const [i, line] of there.entries()) {
        for (const name of ['loss', 'lr', 'grad_norm']) {
          const [value, wanted] = [Number(ahead[i][name]), Number(line[name])];
          assert.ok(
            wanted > 0 && Math.abs(value - wanted) <= 1e-4 * wanted,
            `${kind} ${i}, ${name}: ${value}, not ${wanted}`,
          );
        }
      }
    }
  });

  it('ends with the step that was at fault, though the next has begun', async () => {
    const error = await train(run, 'stopped', 'recorder', []).then(
      () => assert.fail('the run goes on'),
      (thrown: Error) => thrown,
    );
    assert.ok(error instanceof TrainingError, String(error));
    assert.match(error.message, /^the gradient is NaN\n.*step 2, learning rate/);
  });
});
