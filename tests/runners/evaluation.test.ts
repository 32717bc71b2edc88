import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Batch, DataLoader } from '#src/datasets/index.js';
import { SingleCommunicator } from '#src/distributed/index.js';
import { evaluateSplit } from '#src/runners/evaluation.js';
import { BaseTask } from '#src/tasks/index.js';
import { imageIdsOf, tinyCoco, trainOf } from '../datasets/support.js';
import { tinyModel } from '../models/tiny.js';
import { temporaryFolder } from '../support.js';

/** Tells the ids of each batch; fails at one. */
class Ids extends BaseTask {
  readonly resultKey = 'image_id';

  constructor(private readonly fault?: string) {
    super();
  }

  override async validStep(_: unknown, batch: Batch) {
    const ids = imageIdsOf(batch);
    if (this.fault && ids.includes(this.fault)) throw new Error('a fault');
    return ids.map((id) => ({ image_id: id }));
  }

  override async afterEvaluation(results: { image_id?: unknown }[]) {
    return { agg_metrics: results.length };
  }
}

/** A real loader that tells when it was closed. */
class Watched extends DataLoader {
  closed = 0;

  override close(): Promise<void> {
    this.closed++;
    return super.close();
  }
}

test('an evaluation that ends, and one that fails, close their loader and leave the model in training', async () => {
  const dataset = await trainOf(await tinyCoco(5));
  for (const fault of [undefined, 'coco_3']) {
    const folder = temporaryFolder();
    const loader = new Watched({ dataset, batchSize: 2 });
    const modes: string[] = [];
    const model = await tinyModel();
    model.train = () => {
      modes.push('train');
      return model;
    };
    model.eval = () => {
      modes.push('eval');
      return model;
    };
    const evaluation = evaluateSplit({
      task: new Ids(fault),
      model,
      loader,
      comm: new SingleCommunicator(),
      split: 'val',
      dataset,
      epoch: 0,
      resultDir: join(folder, 'result'),
      writeLine: async () => {},
    });
    if (fault) await assert.rejects(evaluation, /a fault/);
    else assert.deepEqual(await evaluation, { agg_metrics: 5 });
    const shown = join(folder, 'shown', 'val_epoch0.json');
    assert.equal(existsSync(shown), !fault, 'what pages show is written beside the results');
    assert.equal(loader.closed, 1);
    assert.deepEqual(modes, ['eval', 'train']);
  }
});
