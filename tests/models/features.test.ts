import assert from 'node:assert/strict';
import { after, before, it, test } from 'node:test';
import type { HostTensor } from '#src/common/host_tensor.js';
import { setupEngine, tf } from '#src/engine/index.js';
import { BlipFeatureExtractor, type BlipFeatures } from '#src/models/index.js';
import { fixture, fixtureJson } from '../support.js';
import { onEveryEngine } from './engines.js';
import { assertStateDict, assertTensors, familyModel, imageOf } from './family.js';
import { readTensors } from './tiny.js';

const FOLDER = 'tiny_features';
const { texts, single_text } = fixtureJson<{ texts: string[]; single_text: string }>(FOLDER, 'forward.json');

const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const named = (mode: string, features: BlipFeatures) =>
  Object.fromEntries(Object.entries(features).map(([name, value]) => [`${mode}.${snakeCase(name)}`, value]));

onEveryEngine('the feature extractor of the reference', () => {
  let model: BlipFeatureExtractor;
  let expected: ReadonlyMap<string, HostTensor>;
  let image: tf.Tensor4D;

  before(async () => {
    model = (await familyModel(BlipFeatureExtractor, FOLDER)).eval();
    expected = await readTensors(FOLDER, 'forward.safetensors');
    image = imageOf(await readTensors(FOLDER, 'inputs.safetensors'));
  });
  after(() => model.dispose());

  const fields = {
    image: ['imageEmbeds', 'imageEmbedsProj'],
    text: ['textEmbeds', 'textEmbedsProj'],
    multimodal: ['imageEmbeds', 'multimodalEmbeds'],
  } as const;
  for (const mode of ['image', 'text', 'multimodal'] as const) {
    it(`gives the features of mode ${mode}, of every token`, async () => {
      const features = model.extractFeatures({ image, text_input: texts }, mode);
      assert.deepEqual(Object.keys(features).sort(), [...fields[mode]].sort());
      await assertTensors(expected, named(mode, features), 5e-5);
      tf.dispose(Object.values(features));
    });
  }

  it('takes one text as it is, and reads both where no mode is named', async () => {
    const one = model.extractFeatures({ text_input: single_text }, 'text');
    await assertTensors(expected, { 'text_as_one_string.text_embeds_proj': one.textEmbedsProj! }, 5e-5);
    const both = model.extractFeatures({ image, text_input: texts });
    await assertTensors(expected, { 'multimodal.multimodal_embeds': both.multimodalEmbeds! }, 5e-5);
    tf.dispose([...Object.values(one), ...Object.values(both)]);
  });

  it('has the names of the reference', () => assertStateDict(model, FOLDER));
});

test('weights of pretraining load as the reference loads them, and long texts are cut at the last position', async () => {
  await setupEngine();
  const model = await familyModel(BlipFeatureExtractor, FOLDER);
  const loading = fixtureJson<{
    dropped_for_another_shape: string[];
    missing_keys: string[];
    unexpected_keys: string[];
  }>(FOLDER, 'loading.json');
  const report = await model.loadFromPretrained(fixture('tiny_pretrain', 'weights.pth'));
  assert.deepEqual(report.dropped, loading.dropped_for_another_shape);
  assert.deepEqual(report.missing, loading.missing_keys);
  assert.deepEqual(report.unexpected, loading.unexpected_keys);
  const long = Array.from({ length: 90 }, () => 'a').join(' ');
  const { textEmbeds } = model.extractFeatures({ text_input: long }, 'text');
  assert.deepEqual(textEmbeds!.shape, [1, 48, 32]);
  assert.throws(() => model.extractFeatures({ text_input: long }, 'image'), RangeError);
  assert.throws(() => model.forward(), /no loss[\s\S]*extractFeatures/);
  model.dispose();
});
