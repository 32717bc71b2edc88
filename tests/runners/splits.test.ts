import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Config } from '#src/index.js';
import { runSettings } from '#src/runners/index.js';
import { RunSplits } from '#src/runners/splits.js';
import { prepareRun } from '#src/runs/prepare_run.js';
import { imageIdsOf } from '../datasets/support.js';
import { temporaryFolder } from '../support.js';
import { tinyRun } from './tiny_run.js';

test('workers share out an evaluation, or each evaluates everything: run.use_dist_eval_sampler', async () => {
  const tiny = await tinyRun(temporaryFolder());
  const idsOf = async (rank: number, ...options: string[]) => {
    const config = await Config.fromFile(tiny.yaml, options);
    const { datasets } = await prepareRun(config, { device: 'cpu', training: true });
    const loader = new RunSplits(datasets, runSettings(config), { rank, worldSize: 2 }, []).evalLoader('val');
    const ids: unknown[] = [];
    for await (const batch of loader.epoch(0)) ids.push(...(imageIdsOf(batch) ?? []));
    await loader.close();
    return ids;
  };
  const [first, second, third] = (await idsOf(0, 'run.use_dist_eval_sampler=False')) as [
    string,
    string,
    string,
  ];
  assert.equal(new Set([first, second, third]).size, 3);
  assert.deepEqual(await idsOf(1, 'run.use_dist_eval_sampler=False'), [first, second, third]);
  assert.deepEqual(await idsOf(0), [first, third]);
  assert.deepEqual(await idsOf(1), [second, first], 'filled up with the first');
});
