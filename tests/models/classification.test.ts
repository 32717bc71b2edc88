import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import { ConfigError, DataError } from '#src/common/errors.js';
import type { HostTensor } from '#src/common/host_tensor.js';
import { tf } from '#src/engine/index.js';
import { BlipClassification, type ClassificationSamples } from '#src/models/index.js';
import { fixtureJson } from '../support.js';
import { onEveryEngine } from './engines.js';
import {
  assertGradients,
  assertGroups,
  assertNear,
  assertStateDict,
  assertTensors,
  assertTraining,
  familyModel,
  familySection,
  imageOf,
  weightsFile,
} from './family.js';
import { maxDifference, readTensors } from './tiny.js';

interface Forward {
  texts: string[];
  label: number[];
  samples: { epoch: number; iters: number; num_iters_per_epoch: number };
  loss: number;
  loss_without_distillation: number;
}
interface Step {
  texts: string[];
  label: number[];
  losses: Record<string, number>;
}

const FOLDER = 'tiny_classification';
const { texts, label, samples, ...expectedLoss } = fixtureJson<Forward>(FOLDER, 'forward.json');
const samplesOf = (image: tf.Tensor4D): ClassificationSamples => ({
  image,
  text_input: texts,
  label,
  ...samples,
});

onEveryEngine('the classification model of the reference', () => {
  let expected: ReadonlyMap<string, HostTensor>;
  let image: tf.Tensor4D;

  before(async () => {
    expected = await readTensors(FOLDER, 'forward.safetensors');
    image = imageOf(await readTensors(FOLDER, 'inputs.safetensors'));
  });

  it('has its names and groups', async () => {
    const model = await familyModel(BlipClassification, FOLDER);
    assertStateDict(model, FOLDER);
    assertGroups(model, FOLDER);
    model.dispose();
  });

  it('gives its loss, states and logits, of the momentum copies too', async () => {
    const model = await familyModel(BlipClassification, FOLDER);
    const { predictions, targets } = model.predict(samplesOf(image));
    await assertTensors(expected, { predictions }, 1e-4);
    assert.deepEqual(targets, label);
    const { loss, intermediateOutput } = model.forward(samplesOf(image));
    assertNear(loss.dataSync()[0], expectedLoss.loss, 1e-5, 'loss');
    const { imageEmbeds, encoderOutput, logits, logitsM } = intermediateOutput;
    await assertTensors(expected, { image_embeds: imageEmbeds, encoder_output: encoderOutput }, 5e-5);
    await assertTensors(expected, { logits, logits_m: logitsM! }, 1e-4);
    tf.dispose([predictions, loss]);
    tf.dispose(Object.values(intermediateOutput));
    model.dispose();
  });

  it('gives its gradients', async () => {
    const model = await familyModel(BlipClassification, FOLDER);
    await assertGradients(model, FOLDER, () => model.forward(samplesOf(image)).loss);
    model.dispose();
  });

  it('trains to its weights and momentum copies', async () => {
    const model = await familyModel(BlipClassification, FOLDER);
    await assertTraining<Step>(model, FOLDER, (step, iters, inputs) => {
      const at = { epoch: 0, iters, num_iters_per_epoch: 3 };
      const stepImage = imageOf(inputs, `image_${iters}`);
      const { loss } = model.forward({
        ...{ image: stepImage, text_input: step.texts, label: step.label },
        ...at,
      });
      return { loss };
    });
    model.dispose();
  });
});

it('learns from labels alone without momentum copies', async () => {
  const image = imageOf(await readTensors(FOLDER, 'inputs.safetensors'));
  const model = await familyModel(BlipClassification, FOLDER, { use_distill: false });
  const loss = tf.tidy(() => model.forward(samplesOf(image)).loss.dataSync()[0]);
  assertNear(loss, expectedLoss.loss_without_distillation, 1e-5, 'loss');
  assert.ok(![...model.stateDict().keys()].some((name) => name.includes('_m.')));
  model.dispose();
});

it('moves its momentum copies in evaluation too, and not when it predicts', async () => {
  const image = imageOf(await readTensors(FOLDER, 'inputs.safetensors'));
  const model = (await familyModel(BlipClassification, FOLDER)).eval();
  const copy = model.stateDict().get('cls_head_m.2.weight')!;
  const first = await copy.data();
  const before = Float32Array.from(first);
  tf.dispose(model.predict(samplesOf(image)).predictions);
  assert.deepEqual(Float32Array.from(await copy.data()), before);
  tf.tidy(() => void model.forward(samplesOf(image)));
  assert.notDeepEqual(Float32Array.from(await copy.data()), before);
  model.dispose();
});

it('starts from the pretraining model: its copies as they are, those of the new head from the head', async () => {
  const model = await familyModel(BlipClassification, FOLDER);
  const loading = fixtureJson<{
    missing_keys: string[];
    unexpected_keys: string[];
    values: Record<string, { first: number[] }>;
  }>(FOLDER, 'loading.json');
  const report = await model.loadFromPretrained(weightsFile('tiny_pretrain'));
  assert.deepEqual(report.missing, loading.missing_keys);
  assert.deepEqual(report.unexpected, loading.unexpected_keys);
  const state = model.stateDict();
  for (const [name, { first }] of Object.entries(loading.values)) {
    if (name.startsWith('cls_head_m.')) continue; // the reference leaves them as they were
    const values = await state.get(name)!.data();
    for (const [i, value] of first.entries()) assert.ok(Math.abs(values[i] - value) < 1e-5, name);
  }
  const head = { dtype: 'float32' as const, shape: [3], data: await state.get('cls_head.2.bias')!.data() };
  assert.equal(await maxDifference(state.get('cls_head_m.2.bias')!, head as HostTensor), 0);
  model.dispose();
});

it('asks how many classes there are before it fetches a file, and refuses labels that are none of them', async () => {
  const { num_classes: _, ...section } = familySection(FOLDER, { tokenizer: 'not there' });
  await assert.rejects(BlipClassification.fromConfig(section), (error: ConfigError) => {
    return error instanceof ConfigError && /model.num_classes is not given/.test(error.message);
  });
  const image = imageOf(await readTensors(FOLDER, 'inputs.safetensors'));
  const model = await familyModel(BlipClassification, FOLDER);
  for (const wrong of [undefined, [0, 1], [0, 1, 2, 3], [0, 1, 2, 0.5]]) {
    assert.throws(() => model.forward({ ...samplesOf(image), label: wrong }), DataError);
  }
  model.dispose();
});
