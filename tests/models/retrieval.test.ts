import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, it } from 'node:test';
import { saveTorch } from '#src/checkpoint/index.js';
import { ConfigError, DataError } from '#src/common/errors.js';
import type { HostTensor } from '#src/common/host_tensor.js';
import { tf } from '#src/engine/index.js';
import { retrievalMetrics } from '#src/metrics/index.js';
import { BlipRetrieval, type RetrievalSamples } from '#src/models/index.js';
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
  familySection,
  imageOf,
  weightsFile,
} from './family.js';
import { maxDifference, readTensors } from './tiny.js';

interface Drawn {
  image_for_text: number[];
  text_for_image: number[];
}
interface Forward {
  texts: string[];
  image_id: number[];
  samples: { epoch: number; iters: number; num_iters_per_epoch: number };
  losses: Record<string, number>;
  negatives: Drawn;
}
interface Step {
  texts: string[];
  image_id: number[];
  negatives: Drawn;
  losses: Record<string, number>;
}
interface Evaluation {
  k_test: number;
  texts: string[];
  img2txt: Record<number, number[]>;
  txt2img: Record<number, number>;
  metrics: Record<string, number>;
}

const FOLDER = 'tiny_retrieval';
const forward = fixtureJson<Forward>(FOLDER, 'forward.json');
const evaluation = fixtureJson<Evaluation>(FOLDER, 'evaluation.json');
const negativesOf = ({ image_for_text, text_for_image }: Drawn) => ({
  image: image_for_text,
  text: text_for_image,
});
const samplesOf = (image: tf.Tensor4D): RetrievalSamples => ({
  image,
  text_input: forward.texts,
  image_id: forward.image_id,
  ...forward.samples,
  negatives: negativesOf(forward.negatives),
});

onEveryEngine('the retrieval model of the reference', () => {
  let expected: ReadonlyMap<string, HostTensor>;
  let image: tf.Tensor4D;

  before(async () => {
    expected = await readTensors(FOLDER, 'forward.safetensors');
    image = imageOf(await readTensors(FOLDER, 'inputs.safetensors'));
  });

  it('has its names and groups', async () => {
    const model = await familyModel(BlipRetrieval, FOLDER);
    assertStateDict(model, FOLDER);
    assertGroups(model, FOLDER);
    model.dispose();
  });

  it('gives its losses, similarities, weights and logits, and moves its queues on', async () => {
    const model = await familyModel(BlipRetrieval, FOLDER);
    const queues = () => {
      const [image_queue, text_queue, idx_queue] = model.queue.queues;
      return { image_queue, text_queue, idx_queue, queue_ptr: model.queue.pointer };
    };
    const named = (suffix: string) =>
      Object.fromEntries(Object.entries(queues()).map(([name, value]) => [`${name}_${suffix}`, value]));
    await assertTensors(expected, named('before'), 0);
    const { loss, lossItc, lossItm, intermediateOutput } = model.forward(samplesOf(image));
    assertNear(loss.dataSync()[0], forward.losses.loss, 1e-5, 'loss');
    assertNear(lossItc.dataSync()[0], forward.losses.loss_itc, 1e-5, 'loss_itc');
    assertNear(lossItm.dataSync()[0], forward.losses.loss_itm, 1e-5, 'loss_itm');
    const { imageEmbeds, simI2t, simT2i, weightsI2t, weightsT2i, itmLogits } = intermediateOutput;
    await assertTensors(expected, { image_embeds: imageEmbeds }, 5e-5);
    await assertTensors(expected, { sim_i2t: simI2t, sim_t2i: simT2i, itm_logits: itmLogits }, 2e-4);
    await assertTensors(expected, { weights_i2t: weightsI2t, weights_t2i: weightsT2i }, 5e-5);
    await assertTensors(expected, named('after'), 5e-5);
    tf.dispose([loss, lossItc, lossItm, ...Object.values(intermediateOutput)]);
    model.dispose();
  });

  it('gives its gradients', async () => {
    const model = await familyModel(BlipRetrieval, FOLDER);
    const loss = () => model.forward(samplesOf(image)).loss;
    await assertGradients(model, FOLDER, loss, { relative: { temp: 1e-5 } });
    model.dispose();
  });

  it('trains to its weights, momentum copies and queues', async () => {
    const model = await familyModel(BlipRetrieval, FOLDER);
    await assertTraining<Step>(model, FOLDER, ({ texts, image_id, negatives }, iters, inputs) => {
      const output = model.forward({
        ...{ image: imageOf(inputs, `image_${iters}`), text_input: texts, image_id },
        ...{ epoch: 1, iters, num_iters_per_epoch: 3 },
        negatives: negativesOf(negatives),
      });
      return { loss: output.loss, loss_itc: output.lossItc, loss_itm: output.lossItm };
    });
    model.dispose();
  });

  it('compares images with texts as the reference does, in one batch or in several', async () => {
    const model = await familyModel(BlipRetrieval, FOLDER);
    const tensors = await readTensors(FOLDER, 'evaluation.safetensors');
    const images = imageOf(tensors);
    const batches = async function* () {
      for (const [at, count] of [
        [0, 4],
        [4, 2],
      ]) {
        yield images.slice([at, 0, 0, 0], [count, -1, -1, -1]);
      }
    };
    for (const given of [images, batches()]) {
      const samples = { images: given, texts: evaluation.texts };
      const { scoreI2t, scoreT2i } = await model.computeSimMatrix(samples, { kTest: evaluation.k_test });
      const scores = { score_i2t: tf.tensor2d(scoreI2t), score_t2i: tf.tensor2d(scoreT2i) };
      await assertTensors(tensors, scores, 1e-4);
      assert.deepEqual({ ...retrievalMetrics(scoreI2t, scoreT2i, pairsOf(evaluation)) }, evaluation.metrics);
    }
    model.dispose();
  });
});

const pairsOf = ({ img2txt, txt2img }: Evaluation) => ({ img2txt, txt2img });

it('matches all there are where k_test is above it, leaves the model as it is, and refuses none', async () => {
  const model = await familyModel(BlipRetrieval, FOLDER);
  const images = imageOf(await readTensors(FOLDER, 'evaluation.safetensors'));
  const { texts } = evaluation;
  const before = tf.memory().numTensors;
  const { scoreI2t, scoreT2i } = await model.computeSimMatrix({ images, texts }, { kTest: 1000 });
  assert.equal(tf.memory().numTensors, before);
  assert.equal(Math.min(...scoreI2t.flat(), ...scoreT2i.flat()) > -50, true);
  scoreI2t.forEach((row, i) => {
    for (const [j, score] of row.entries()) assert.ok(Math.abs(score - scoreT2i[j][i]) < 1e-4);
  });
  for (const kTest of [0, 1.5, Number.NaN]) {
    await assert.rejects(model.computeSimMatrix({ images, texts }, { kTest }), ConfigError);
  }
  await assert.rejects(model.computeSimMatrix({ images, texts: [] }, { kTest: 1 }), DataError);
  await assert.rejects(model.computeSimMatrix({ images: [], texts }, { kTest: 1 }), DataError);
  model.dispose();
});

it('never draws a pair of the same image, and matches a batch of one image without negatives', async () => {
  const model = await familyModel(BlipRetrieval, FOLDER, { negative_all_rank: true });
  const image = imageOf(await readTensors(FOLDER, 'inputs.safetensors'));
  const { negatives: _, ...samples } = samplesOf(image);
  const lossOf = (image_id: number[], negatives?: RetrievalSamples['negatives']) =>
    tf.tidy(() => model.forward({ ...samples, image_id, negatives }).lossItm.dataSync()[0]);
  // Only one other image each: what is drawn is certain.
  model.seed(1);
  const drawn = lossOf([5, 5, 5, 6]);
  model.seed(1);
  const sure = [
    [3, 3, 3],
    [3, 3, 3],
  ];
  const possible = [0, 1, 2].flatMap((i) =>
    [0, 1, 2].map((t) => lossOf([5, 5, 5, 6], { image: [...sure[0], i], text: [...sure[1], t] })),
  );
  assert.ok(
    possible.some((loss) => Math.abs(loss - drawn) < 1e-5),
    `${drawn} is none of ${possible}`,
  );
  // Positives alone: the loss is that of label 1.
  const alone = lossOf([5, 5, 5, 5]);
  assert.ok(Number.isFinite(alone));
  const output = model.forward({ ...samples, image_id: [5, 5, 5, 5] });
  assert.deepEqual(output.intermediateOutput.itmLogits.shape, [4, 2]);
  model.dispose();
});

it('starts from the pretraining model: temperature, queues and momentum copies too', async () => {
  const model = await familyModel(BlipRetrieval, FOLDER);
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
    const values = await state.get(name)!.data();
    for (const [i, value] of first.entries()) assert.ok(Math.abs(values[i] - value) < 1e-5, name);
  }
  model.dispose();
});

it('saves momentum copies, queues and ids, and has them again', async () => {
  const model = await familyModel(BlipRetrieval, FOLDER);
  const image = imageOf(await readTensors(FOLDER, 'inputs.safetensors'));
  tf.tidy(() => void model.forward(samplesOf(image)));
  const hosts = new Map<string, HostTensor>();
  for (const [name, tensor] of model.stateDict()) {
    const data = (await tensor.data()).slice() as Float32Array;
    hosts.set(name, { dtype: tensor.dtype as 'float32', shape: tensor.shape, data });
  }
  const file = join(temporaryFolder(), 'checkpoint.pth');
  await saveTorch(file, new Map([['model', hosts]]) as never);
  const other = await BlipRetrieval.fromConfig(familySection(FOLDER));
  const { missing } = await other.loadCheckpoint(file);
  assert.deepEqual(missing, []);
  for (const [name, tensor] of other.stateDict()) {
    assert.equal(await maxDifference(tensor, hosts.get(name)!), 0, name);
  }
  for (const one of [model, other]) one.dispose();
});

it('asks for a whole number as the id of each image', async () => {
  const model = await familyModel(BlipRetrieval, FOLDER);
  const image = imageOf(await readTensors(FOLDER, 'inputs.safetensors'));
  for (const image_id of [undefined, [1, 2], [1, 2, 3, 0.5]]) {
    assert.throws(() => model.forward({ ...samplesOf(image), image_id }), DataError);
  }
  model.dispose();
});
