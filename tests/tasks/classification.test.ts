import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { Dataset } from '#src/datasets/index.js';
import { setupEngine } from '#src/engine/index.js';
import { BlipNLVR } from '#src/models/index.js';
import type { BaseTask } from '#src/tasks/index.js';
import { familyModel } from '../models/family.js';
import { readTensors } from '../models/tiny.js';
import { fixtureJson, temporaryFolder } from '../support.js';
import { evaluate, memoryDataset, picturesOf, taskOf } from './support.js';

const folder = temporaryFolder();
const FOLDER = 'tiny_nlvr';
const { texts, label } = fixtureJson<{ texts: string[]; label: number[] }>(FOLDER, 'forward.json');

const classification = (): Promise<BaseTask> =>
  taskOf(folder, { arch: 'blip_nlvr', model_type: 'nlvr' }, { task: 'multimodal_classification' });

async function pairs(labels: readonly (number | undefined)[] = label): Promise<Dataset> {
  const inputs = await readTensors(FOLDER, 'inputs.safetensors');
  const [left, right] = ['image0', 'image1'].map((name) => picturesOf(inputs.get(name)!));
  const samples = texts.map((text_input, i) => ({
    ...{ image0: left[i], image1: right[i], text_input, instance_id: String(i) },
    ...(labels[i] !== undefined && { label: labels[i] }),
  }));
  const files = samples.map(({ instance_id }) => [instance_id, ['left.jpg', 'right.jpg']] as const);
  return memoryDataset(samples, { classLabels: ['False', 'True'], imageFiles: () => new Map(files) });
}

describe('the task multimodal_classification', () => {
  before(() => setupEngine({ device: 'cpu' }));

  it('takes the likeliest class of the reference, and scores the fraction that is right', async () => {
    const model = await familyModel(BlipNLVR, FOLDER);
    const task = await classification();
    const logits = (await readTensors(FOLDER, 'forward.safetensors')).get('predictions')!;
    const chosen = texts.map((_, i) => (logits.data[2 * i + 1] > logits.data[2 * i] ? 1 : 0));
    const { results, metrics, lines, context } = await evaluate(task, model, await pairs(), { folder });
    const expected = chosen.map((prediction, i) => ({ instance_id: `${i}`, prediction, target: label[i] }));
    assert.deepEqual(results, expected);
    assert.deepEqual(JSON.parse(readFileSync(join(folder, 'result/val_epoch3.json'), 'utf8')), expected);
    const acc = chosen.filter((prediction, i) => prediction === label[i]).length / label.length;
    assert.deepEqual(metrics, { agg_metrics: acc, acc });
    assert.deepEqual(lines, [`evaluate.txt {"val": {"agg_metrics": ${acc}, "acc": ${acc}}}`]);

    const { samples } = await task.show(results, context);
    const { asked, files, said, references } = samples[0];
    assert.deepEqual([asked, files], [texts[0], ['left.jpg', 'right.jpg']]);
    assert.deepEqual([said, references], [chosen[0] ? 'True' : 'False', ['True']]);
    model.dispose();
  });

  it('writes predictions without a score where there are no labels', async () => {
    const model = await familyModel(BlipNLVR, FOLDER);
    const { metrics, results } = await evaluate(await classification(), model, await pairs([]), { folder });
    assert.equal(metrics, undefined);
    assert.equal(results.length, texts.length);
    model.dispose();
  });

  it('refuses data without classes', async () => {
    const task = await classification();
    await assert.rejects(task.checkEvaluation('val', memoryDataset([{ image: 0 }])), /nlvr, snli_ve/);
  });
});
