import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, it } from 'node:test';
import { saveSafetensors } from '#src/checkpoint/index.js';
import { DataError } from '#src/common/errors.js';
import type { HostTensor } from '#src/common/host_tensor.js';
import { tf } from '#src/engine/index.js';
import { BlipNLVR, type NlvrSamples } from '#src/models/index.js';
import { fixtureJson, temporaryFolder } from '../support.js';
import { onEveryEngine } from './engines.js';
import {
  assertGradients,
  assertGroups,
  assertNear,
  assertStateDict,
  assertTensors,
  assertTraining,
  familyModel,
  imageOf,
} from './family.js';
import { readTensors } from './tiny.js';

interface Forward {
  texts: string[];
  label: number[];
  loss: number;
}
interface Step {
  texts: string[];
  label: number[];
  losses: Record<string, number>;
}

const FOLDER = 'tiny_nlvr';
const forward = fixtureJson<Forward>(FOLDER, 'forward.json');

async function fixtureSamples(): Promise<NlvrSamples> {
  const inputs = await readTensors(FOLDER, 'inputs.safetensors');
  const [image0, image1] = [imageOf(inputs, 'image0'), imageOf(inputs, 'image1')];
  return { image0, image1, text_input: forward.texts, label: forward.label };
}

onEveryEngine('the NLVR model of the reference', () => {
  let expected: ReadonlyMap<string, HostTensor>;
  let samples: NlvrSamples;

  before(async () => {
    expected = await readTensors(FOLDER, 'forward.safetensors');
    samples = await fixtureSamples();
  });

  it('has its names and groups, norms before projections', async () => {
    const model = await familyModel(BlipNLVR, FOLDER);
    assertStateDict(model, FOLDER);
    assertGroups(model, FOLDER);
    model.dispose();
  });

  it('gives its loss, states and logits, and others for the images the other way round', async () => {
    const model = await familyModel(BlipNLVR, FOLDER);
    const { loss, intermediateOutput } = model.forward(samples);
    assertNear(loss.dataSync()[0], forward.loss, 1e-5, 'loss');
    const { imageEmbeds, encoderOutput } = intermediateOutput;
    await assertTensors(expected, { image_embeds: imageEmbeds, encoder_output: encoderOutput }, 5e-5);
    const { predictions, targets } = model.predict(samples);
    assert.deepEqual(targets, forward.label);
    const { image0, image1, text_input } = samples;
    const swapped = model.predict({ image0: image1, image1: image0, text_input });
    assert.deepEqual(swapped.targets, []);
    const logits = { predictions, predictions_images_swapped: swapped.predictions };
    await assertTensors(expected, logits, 1e-4);
    tf.dispose([loss, ...Object.values(intermediateOutput), ...Object.values(logits)]);
    model.dispose();
  });

  it('gives its gradients', async () => {
    const model = await familyModel(BlipNLVR, FOLDER);
    await assertGradients(model, FOLDER, () => model.forward(samples).loss);
    model.dispose();
  });

  it('trains to its weights', async () => {
    const model = await familyModel(BlipNLVR, FOLDER);
    const losses = ({ texts, label }: Step, step: number, inputs: ReadonlyMap<string, HostTensor>) => {
      const [image0, image1] = [imageOf(inputs, `image0_${step}`), imageOf(inputs, `image1_${step}`)];
      return { loss: model.forward({ image0, image1, text_input: texts, label }).loss };
    };
    // Rounding can send a key bias the whole way, three steps of 1e-3, in one direction here and in the other there.
    await assertTraining<Step>(model, FOLDER, losses, { tolerance: 2e-4, ofKeyBiases: 6e-3 });
    model.dispose();
  });
});

it('takes the cross-attention of a model of one image for both, and keeps what such a model does not have', async () => {
  const model = await familyModel(BlipNLVR, FOLDER);
  const untouched = /merge_layer|cls_head/;
  const own = await Promise.all(
    [...model.stateDict()].map(
      async ([name, tensor]): Promise<[string, HostTensor]> => [
        name,
        {
          dtype: tensor.dtype as 'float32',
          shape: tensor.shape,
          data: (await tensor.data()).slice() as Float32Array,
        },
      ],
    ),
  );
  // What the fixture's model would have been pretrained as: one cross-attention, another number in each tensor.
  const plain = own
    .filter(([name]) => !untouched.test(name) && !/self1|dense1/.test(name))
    .map(([name, { dtype, shape, data }], i): [string, HostTensor] => [
      name.replace('.self0.', '.self.').replace('.dense0.', '.dense.'),
      dtype === 'float32'
        ? { dtype, shape, data: (data as Float32Array).map((value) => value * (1 + i / 100)) }
        : { dtype, shape, data },
    ]);
  const file = join(temporaryFolder(), 'pretrained.safetensors');
  await saveSafetensors(file, new Map([...plain, ['itm_head.bias', plain[0][1]]]));
  const report = await model.loadFromPretrained(file);
  const loading = fixtureJson<{ missing_keys: string[]; unexpected_keys: string[] }>(FOLDER, 'loading.json');
  assert.deepEqual(report.missing, loading.missing_keys);
  const unexpected = loading.unexpected_keys.filter((name) => name !== 'itm_head.weight');
  assert.deepEqual(report.unexpected.toSorted(), unexpected.toSorted());
  const given = new Map(plain);
  const before = new Map(own);
  for (const [name, tensor] of model.stateDict()) {
    const source = name.replace(/\.self[01]\./, '.self.').replace(/\.dense[01]\./, '.dense.');
    const wanted = untouched.test(name) ? before.get(name)! : given.get(source)!;
    assert.deepEqual((await tensor.data()).slice(), wanted.data, name);
  }
  model.dispose();
});

it('refuses images that do not pair', async () => {
  const model = await familyModel(BlipNLVR, FOLDER);
  const samples = await fixtureSamples();
  const fewer = samples.image1.slice([0, 0, 0, 0], [2, -1, -1, -1]);
  assert.throws(() => model.predict({ ...samples, image1: fewer }), DataError);
  assert.throws(() => model.forward({ ...samples, label: undefined }), DataError);
  model.dispose();
});
