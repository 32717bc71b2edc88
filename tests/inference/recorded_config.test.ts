import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, it } from 'node:test';
import { openCheckpoint, saveTorch } from '#src/checkpoint/index.js';
import { loadCaptioner, useModel } from '#src/inference/index.js';
import { type BlipCaption, captionModel } from '#src/models/index.js';
import { tinySection } from '../models/tiny.js';
import { fixture, temporaryFolder } from '../support.js';

const folder = temporaryFolder();
const checkpoint = join(folder, 'checkpoint_best.pth');

/** As a run writes it: weights beside the configuration that made them. */
before(async () => {
  const vis_processor = { eval: { name: 'blip_image_eval', image_size: 64 } };
  const weights = await openCheckpoint(fixture('tiny_caption', 'weights.pth'));
  const { model } = weights.root as { model: never };
  await saveTorch(checkpoint, {
    model,
    config: {
      model: tinySection(),
      run: { task: 'captioning', num_beams: 2, max_epoch: 3 },
      datasets: { somebodys: { vis_processor, text_processor: {} } },
    },
  });
  await weights.close();
});

it('weights of a run say alone which model they are, how it sees and how it writes', async () => {
  let beams: unknown;
  const { model, processor } = await useModel(
    { checkpoint },
    {
      caller: 'lavis caption',
      arch: 'blip_vqa',
      device: 'cpu',
      check: ({ run }) => {
        beams = run.num_beams;
      },
      accept: captionModel,
    },
  );
  assert.equal(model.constructor.name, 'BlipCaption');
  assert.equal((processor as unknown as { imageSize: number }).imageSize, 64);
  assert.equal(beams, 2);
  model.dispose();
});

it('what is asked goes before the record', async () => {
  const asked = useModel(
    { checkpoint, arch: 'blip_vqa' },
    { caller: 'lavis caption', arch: 'blip_caption', accept: captionModel },
  );
  await assert.rejects(asked, /the model writes no captions/);
});

it("a folder of transformers' says by its config.json which model it is, and which images it takes", async () => {
  for (const place of ['hf_caption', 'hf_caption/model.safetensors']) {
    const { model, processor } = await loadCaptioner(
      { checkpoint: fixture(...place.split('/')) },
      { caller: 'test', device: 'cpu' },
    );
    const { shape } = await processor.process(fixture('image_eval', 'cmyk.jpg'));
    assert.deepEqual([(model as BlipCaption).tokenizer.length, shape], [284, [64, 64, 3]]);
    model.dispose();
  }
});
