import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { RetrievalDataset } from '#src/datasets/index.js';
import { setupEngine, tf } from '#src/engine/index.js';
import { BlipRetrieval, BlipVQA } from '#src/models/index.js';
import type { RetrievalTask } from '#src/tasks/index.js';
import { assertNear, familyModel } from '../models/family.js';
import { readTensors } from '../models/tiny.js';
import { fixtureJson, temporaryFolder } from '../support.js';
import { evaluate, memoryDataset, picturesOf, taskOf } from './support.js';

interface Evaluation {
  k_test: number;
  texts: string[];
  img2txt: Record<number, number[]>;
  txt2img: Record<number, number>;
  metrics: Record<string, number>;
}

const folder = temporaryFolder();
const FOLDER = 'tiny_retrieval';
const {
  k_test,
  texts,
  img2txt,
  txt2img,
  metrics: expected,
} = fixtureJson<Evaluation>(FOLDER, 'evaluation.json');

const retrieval = (run: object) =>
  taskOf<RetrievalTask>(
    folder,
    { arch: 'blip_retrieval', model_type: 'coco' },
    { task: 'retrieval', ...run },
  );

async function dataset(more: object = {}): Promise<RetrievalDataset> {
  const pictures = picturesOf((await readTensors(FOLDER, 'evaluation.safetensors')).get('image')!);
  const samples = pictures.map((image, index) => ({ image, index }));
  return memoryDataset(samples, {
    text: texts,
    image: samples.map(({ index }) => `${index}.jpg`),
    txt2img: texts.map((_, text) => txt2img[text]),
    img2txt: samples.map(({ index }) => img2txt[index]),
    *sources() {
      for (const { index } of samples)
        yield { image: `${index}.jpg`, file: `/images/${index}.jpg`, source: `val.json [${index}]` };
    },
    ...more,
  });
}

describe('the task retrieval', () => {
  before(() => setupEngine({ device: 'cpu' }));

  it('compares a whole split, batch after batch of images, to the recalls of the reference', async () => {
    const model = await familyModel(BlipRetrieval, FOLDER);
    const task = await retrieval({ k_test });
    const split = await dataset();
    const before = tf.memory().numTensors;
    const { results, metrics, lines, context } = await evaluate(task, model, split, { folder });
    assert.equal(tf.memory().numTensors, before, 'tensors left behind');
    assert.deepEqual(Object.keys(metrics!), Object.keys(expected));
    for (const [name, value] of Object.entries(expected)) assertNear(metrics![name], value, 1e-6, name);
    assert.deepEqual(
      lines.map((line) => JSON.parse(line.replace('evaluate.txt ', ''))),
      [metrics],
    );

    const { score, samples } = await task.show(results, context);
    assert.equal(score, '1 / rank');
    const ofImages = samples.slice(0, -texts.length);
    assert.equal(samples.length, ofImages.length + texts.length);
    const found = (some: typeof samples) =>
      (100 * some.filter((sample) => sample.score === 1).length) / some.length;
    assertNear(found(ofImages), expected.txt_r1, 1e-6, 'images whose first text is theirs');
    assertNear(
      found(samples.slice(-texts.length)),
      expected.img_r1,
      1e-6,
      'texts whose first image is theirs',
    );
    const [first] = ofImages;
    assert.deepEqual(
      [first.files, first.references],
      [['/images/0.jpg'], img2txt[0].map((text) => texts[text])],
    );
    const right = first.said.split('\n').find((line) => line.endsWith('✓'));
    assert.ok(!right || first.references.some((text) => right.includes(text)), first.said);
    const text = samples.at(-1)!;
    assert.equal(text.asked, texts.at(-1));
    assert.equal(text.files.length, 5);
    model.dispose();
  });

  it('asks for k_test, for images that have texts, and for a model that compares', async () => {
    await assert.rejects(retrieval({}), /run\.k_test is missing/);
    const task = await retrieval({ k_test });
    const bare = { ...img2txt, 1: [] };
    await assert.rejects(
      task.checkEvaluation('val', await dataset({ img2txt: Object.values(bare) })),
      /1 of the 6 images of memory val have no text(.|\n)*val\.json \[1\]/,
    );
    await assert.rejects(task.checkEvaluation('val', memoryDataset([{ image: 1 }])), /coco_retrieval/);
    const model = await familyModel(BlipVQA, 'tiny_vqa');
    await assert.rejects(
      evaluate(task, model, await dataset(), { folder }),
      /does not compare images with texts/,
    );
    model.dispose();
  });

  it('has each rank encode all images', async () => {
    assert.equal((await retrieval({ k_test })).sharesSamples, false);
  });
});
