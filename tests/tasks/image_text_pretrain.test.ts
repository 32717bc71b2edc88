import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { collate } from '#src/datasets/index.js';
import { setupEngine } from '#src/engine/index.js';
import { BlipPretrain } from '#src/models/index.js';
import type { BaseTask } from '#src/tasks/index.js';
import { assertNear, familyModel } from '../models/family.js';
import { readTensors } from '../models/tiny.js';
import { fixtureJson, temporaryFolder } from '../support.js';
import { picturesOf, taskOf } from './support.js';

interface Forward {
  texts: string[];
  samples: { epoch: number; iters: number; num_iters_per_epoch: number };
  losses: Record<string, number>;
  negatives: { image_for_text: number[]; text_for_image: number[] };
}

const FOLDER = 'tiny_pretrain';

describe('the task image_text_pretrain', () => {
  before(() => setupEngine({ device: 'cpu' }));

  it('minimises and logs the losses of the reference, at their place in the epoch', async () => {
    const task = await taskOf<BaseTask>(
      temporaryFolder(),
      { arch: 'blip_pretrain', model_type: 'base' },
      { task: 'image_text_pretrain' },
    );
    const { texts, samples: place, losses, negatives } = fixtureJson<Forward>(FOLDER, 'forward.json');
    const model = await familyModel(BlipPretrain, FOLDER);
    const pictures = picturesOf((await readTensors(FOLDER, 'inputs.safetensors')).get('image')!);
    const batch = collate(texts.map((text_input, i) => ({ image: pictures[i], text_input })));
    const at = { epoch: place.epoch, step: place.iters, stepsPerEpoch: place.num_iters_per_epoch };
    const { image_for_text: image, text_for_image: text } = negatives;
    const samples = { ...task.trainSamples(batch, at), negatives: { image, text } };
    const { loss, named } = task.trainStep(model, samples);
    assert.deepEqual(Object.keys(named), ['loss', 'loss_itc', 'loss_itm', 'loss_lm']);
    for (const [name, value] of Object.entries(losses)) {
      if (name in named) assertNear(named[name].dataSync()[0], value, 1e-5, name);
    }
    assert.equal(loss, named.loss);
    assert.equal(task.evaluates, false);
    model.dispose();
  });
});
