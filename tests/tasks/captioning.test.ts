import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { Batch } from '#src/datasets/index.js';
import { setupEngine } from '#src/engine/index.js';
import { Config } from '#src/index.js';
import { type CaptionTask, evaluationId, setupTask } from '#src/tasks/index.js';
import { tinyCoco, trainOf } from '../datasets/support.js';
import { images, readTensors, tinyModel } from '../models/tiny.js';
import { fixtureJson, temporaryFolder } from '../support.js';
import { memoryDataset } from './support.js';

interface ValidStep {
  run_cfg: Record<string, number>;
  task_attributes: Record<string, number>;
  sample_image_ids: (string | number)[];
  results: { caption: string; image_id: number | string }[];
}
interface ImageIds {
  cases: { image_id: string; result_image_id: number | string }[];
}

const folder = temporaryFolder();
const expected = fixtureJson<ValidStep>('tiny_caption', 'task_valid_step.json');

/** A result as the reference has it. */
const unscored = ({ log_probability: _, ...result }: Record<string, unknown>) => result;

async function taskOf(run: Record<string, unknown>): Promise<CaptionTask> {
  const path = join(folder, 'run.yaml');
  writeFileSync(
    path,
    JSON.stringify({
      model: { arch: 'blip_caption', model_type: 'base_coco' },
      datasets: { coco_caption: {} },
      run: { task: 'captioning', ...run },
    }),
  );
  return setupTask(await Config.fromFile(path)) as CaptionTask;
}

describe('the captioning task', () => {
  before(() => setupEngine({ device: 'cpu' }));

  it("generates with the reference's defaults, and penalties of 1 that published numbers come from", async () => {
    assert.deepEqual((await taskOf({})).settings, {
      numBeams: 5,
      maxLength: 30,
      minLength: 1,
      repetitionPenalty: 1,
      lengthPenalty: 1,
      topP: 0.9,
      temperature: 1,
      useNucleusSampling: false,
    });
  });

  it("captions a batch as the reference's valid_step, with the settings that it had", async () => {
    const { repetition_penalty } = expected.task_attributes;
    const task = await taskOf({ ...expected.run_cfg, repetition_penalty });
    const model = (await tinyModel()).eval();
    const image = (await readTensors('tiny_caption', 'generation_inputs.safetensors')).get('image')!;
    const data = images(image).dataSync() as Float32Array;
    const batch: Batch = { image: { data, shape: [3, 64, 64, 3] }, image_id: expected.sample_image_ids };
    const results = await task.validStep(model, batch);
    assert.deepEqual(results.map(unscored), expected.results);
    assert.ok(results.every(({ log_probability }) => Number(log_probability) < 0));
  });

  it('captions each picture behind its own prompt, and refuses a prompt that leaves no room', async () => {
    const { repetition_penalty } = expected.task_attributes;
    const task = await taskOf({ ...expected.run_cfg, repetition_penalty });
    const image = (await readTensors('tiny_caption', 'generation_inputs.safetensors')).get('image')!;
    const shape = [3, 64, 64, 3];
    const batch: Batch = {
      image: { data: images(image).dataSync() as Float32Array, shape },
      image_id: expected.sample_image_ids,
    };
    const model = (await tinyModel({ prompt: '' })).eval();
    const own = await task.validStep(model, { ...batch, prompt: [null, 'a picture of ', 'a picture of '] });
    assert.deepEqual(own.slice(1).map(unscored), expected.results.slice(1));
    assert.deepEqual(unscored(own[0]), unscored((await task.validStep(model, batch))[0]));
    const prompts = ['say: ', null, 'word '.repeat(18)].map((prompt) => ({ prompt, source: 'c.csv:3' }));
    await assert.rejects(
      (await taskOf({ max_len: 19, report_metric: false })).checkEvaluation('val', memoryDataset(prompts)),
      /a prompt leaves no room[\s\S]*c\.csv:3[\s\S]*18 words[\s\S]*run\.max_len \(19/,
    );
  });

  it("makes numbers of the ids that are numbers, as the reference's result files", () => {
    for (const { image_id, result_image_id } of fixtureJson<ImageIds>('sampler', 'image_ids.json').cases) {
      assert.equal(evaluationId(image_id), result_image_id, image_id);
    }
  });

  it('writes the results as Python does, scores them, and logs the scores', async () => {
    const task = await taskOf({});
    const results = [
      { caption: 'a red circle', image_id: 1 },
      { caption: 'a blue square', image_id: 2 },
    ];
    const groundTruth = {
      images: [{ id: 1 }, { id: 2 }],
      annotations: results.map(({ caption, image_id }, id) => ({ caption: `${caption} here`, image_id, id })),
    };
    const dataset = await trainOf(await tinyCoco(2));
    const lines: string[] = [];
    const context = {
      split: 'val',
      epoch: 3,
      resultDir: folder,
      dataset: { ...dataset, groundTruth: () => groundTruth },
      writeLine: async (file: string, line: string) => void lines.push(`${file} ${line}`),
    };
    const metrics = await task.afterEvaluation(results, context);
    assert.equal(
      readFileSync(join(folder, 'val_epoch3.json'), 'utf8'),
      '[{"caption": "a red circle", "image_id": 1}, {"caption": "a blue square", "image_id": 2}]',
    );
    assert.equal(metrics!.agg_metrics, metrics!.CIDEr + metrics!.Bleu_4);
    const { score, samples } = await task.show(results, context);
    assert.equal(score, 'CIDEr');
    assert.deepEqual(
      samples.map(({ id, said, references }) => [id, said, references]),
      results.map(({ caption, image_id }) => [image_id, caption, [`${caption} here`]]),
    );
    assert.ok(samples.every((sample) => sample.score! > 0));
    assert.match(lines[0], /^evaluate\.txt \{"val": \{"Bleu_1": 0\./);

    const own = join(folder, 'own.json');
    const annotations = results.map(({ caption, image_id }, i) => ({ id: i, caption, image_id }));
    writeFileSync(own, JSON.stringify({ images: groundTruth.images, annotations }));
    for (const annotation_file of [own, { val: own }]) {
      const exact = await (await taskOf({ annotation_file })).afterEvaluation(results, context);
      assert.ok(Math.abs(exact!.Bleu_1 - 1) < 1e-6, 'scored against annotation_file');
    }
  });
});
