import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, it } from 'node:test';
import { savedState, saveTorch } from '#src/checkpoint/index.js';
import { ConfigError } from '#src/common/errors.js';
import type { HostTensor } from '#src/common/host_tensor.js';
import { SingleCommunicator } from '#src/distributed/index.js';
import { tf } from '#src/engine/index.js';
import { BlipPretrain, type PretrainSamples } from '#src/models/index.js';
import { restoreWeights } from '#src/runners/checkpoints.js';
import { fixture, fixtureJson, temporaryFolder } from '../support.js';
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
} from './family.js';
import { maxDifference, readTensors } from './tiny.js';

interface Drawn {
  image_for_text: number[];
  text_for_image: number[];
}
interface Forward {
  texts: string[];
  samples: { epoch: number; iters: number; num_iters_per_epoch: number };
  losses: Record<string, number>;
  negatives: Drawn;
}
interface Step {
  texts: string[];
  negatives: Drawn;
  losses: Record<string, number>;
}

const FOLDER = 'tiny_pretrain';
const forward = fixtureJson<Forward>(FOLDER, 'forward.json');
const negativesOf = ({ image_for_text, text_for_image }: Drawn) => ({
  image: image_for_text,
  text: text_for_image,
});
const samplesOf = (image: tf.Tensor4D): PretrainSamples => ({
  image,
  text_input: forward.texts,
  ...forward.samples,
  negatives: negativesOf(forward.negatives),
});

onEveryEngine('the pretraining model of the reference', () => {
  let expected: ReadonlyMap<string, HostTensor>;
  let image: tf.Tensor4D;

  before(async () => {
    expected = await readTensors(FOLDER, 'forward.safetensors');
    image = imageOf(await readTensors(FOLDER, 'inputs.safetensors'));
  });

  it('has its names, ties and groups', async () => {
    const model = await familyModel(BlipPretrain, FOLDER);
    assertStateDict(model, FOLDER);
    assertGroups(model, FOLDER);
    model.dispose();
  });

  it('gives its losses, embeddings, similarities and logits, and moves its queues on', async () => {
    const model = await familyModel(BlipPretrain, FOLDER);
    await assertTensors(expected, { queue_ptr_before: model.queue.pointer }, 0);
    const output = model.forward(samplesOf(image));
    assertNear(output.loss.dataSync()[0], forward.losses.loss, 1e-5, 'loss');
    assertNear(output.lossItc.dataSync()[0], forward.losses.loss_itc, 1e-5, 'loss_itc');
    assertNear(output.lossItm.dataSync()[0], forward.losses.loss_itm, 1e-5, 'loss_itm');
    assertNear(output.lossLm.dataSync()[0], forward.losses.loss_lm, 1e-5, 'loss_lm');
    const { imageEmbeds, textEmbeds, simI2t, simT2i, itmLogits, decoderLogits } = output.intermediateOutput;
    await assertTensors(expected, { image_embeds: imageEmbeds, text_embeds: textEmbeds }, 5e-5);
    await assertTensors(expected, { sim_i2t: simI2t, sim_t2i: simT2i, itm_logits: itmLogits }, 2e-4);
    await assertTensors(expected, { decoder_logits: decoderLogits }, 2e-4);
    const [imageQueue, textQueue] = model.queue.queues;
    await assertTensors(expected, { image_queue_after: imageQueue, text_queue_after: textQueue }, 5e-5);
    await assertTensors(expected, { queue_ptr_after: model.queue.pointer }, 0);
    tf.dispose([output.loss, output.lossItc, output.lossItm, output.lossLm]);
    tf.dispose(output.intermediateOutput);
    model.dispose();
  });

  it('gives its gradients', async () => {
    const model = await familyModel(BlipPretrain, FOLDER);
    const loss = () => model.forward(samplesOf(image)).loss;
    await assertGradients(model, FOLDER, loss, { relative: { temp: 1e-5 } });
    model.dispose();
  });

  it('trains to its weights, momentum copies and queues', async () => {
    const model = await familyModel(BlipPretrain, FOLDER);
    await assertTraining<Step>(model, FOLDER, ({ texts, negatives }, iters, inputs) => {
      const output = model.forward({
        image: imageOf(inputs, `image_${iters}`),
        text_input: texts,
        ...{ epoch: 1, iters, num_iters_per_epoch: 3 },
        negatives: negativesOf(negatives),
      });
      const { loss, lossItc: loss_itc, lossItm: loss_itm, lossLm: loss_lm } = output;
      return { loss, loss_itc, loss_itm, loss_lm };
    });
    model.dispose();
  });
});

it('leaves its queue alone until the features of all ranks are there', async () => {
  const image = imageOf(await readTensors(FOLDER, 'inputs.safetensors'));
  const [alone, together] = [
    await familyModel(BlipPretrain, FOLDER),
    await familyModel(BlipPretrain, FOLDER),
  ];
  const comm = new SingleCommunicator();
  const stateOf = async (model: BlipPretrain) =>
    new Map([
      ['queue', await hostOf(model.queue.queues[0])],
      ['pointer', await hostOf(model.queue.pointer)],
    ]);
  const before = await stateOf(together);
  tf.tidy(() => void alone.forward(samplesOf(image)));
  await together.beforeStep({ ...samplesOf(image) }, comm);
  tf.tidy(() => void together.forward(samplesOf(image)));
  const {
    queue,
    queue: {
      queues: [imageQueue],
      pointer,
    },
  } = together;
  await assertTensors(before, { queue: imageQueue, pointer }, 0);
  await together.afterStep(comm);
  await assertTensors(await stateOf(alone), { queue: queue.queues[0], pointer: queue.pointer }, 0);
  for (const model of [alone, together]) model.dispose();
});

it('draws negatives that are never the own image or text, the same for one seed', async () => {
  const image = imageOf(await readTensors(FOLDER, 'inputs.safetensors'));
  const lossOf = async (seed: number) => {
    const model = await familyModel(BlipPretrain, FOLDER);
    model.seed(seed);
    const loss = tf.tidy(
      () => model.forward({ ...samplesOf(image), negatives: undefined }).lossItm.dataSync()[0],
    );
    model.dispose();
    return loss;
  };
  const losses = await Promise.all([1, 1, 2, 3, 4].map(lossOf));
  assert.equal(losses[0], losses[1]);
  assert.ok(new Set(losses).size > 1);
});

it('starts momentum copies from the online weights where a checkpoint has none, and the queue at its start', async () => {
  const own = await familyModel(BlipPretrain, FOLDER);
  const drawn = await BlipPretrain.fromConfig(familySection(FOLDER));
  for (const model of [own, drawn]) {
    const online = model.visualEncoder.stateDict();
    const difference = await maxDifference(
      model.stateDict().get('visual_encoder_m.pos_embed')!,
      await hostOf(online.get('pos_embed')!),
    );
    // The fixture's copies lag behind; those of a model without weights do not.
    assert.equal(difference === 0, model === drawn);
  }
  const state = new Map([...own.stateDict()].filter(([name]) => !/_m\.|queue/.test(name)));
  drawn.loadStateDict(state, { strict: false });
  const copied = drawn.fillMissing([...drawn.stateDict().keys()].filter((name) => !state.has(name)));
  assert.equal(copied.length, [...own.frozenParameters()].length);
  await assertTensors(
    new Map([['m', await hostOf(own.visualEncoder.posEmbed)]]),
    {
      m: drawn.stateDict().get('visual_encoder_m.pos_embed')!,
    },
    0,
  );
  const built = await BlipPretrain.fromConfig(
    familySection(FOLDER, { load_finetuned: true, finetuned: fixture(FOLDER, 'weights.pth') }),
  );
  assert.deepEqual([...built.queue.pointer.dataSync()], [0]);
  for (const model of [own, drawn, built]) model.dispose();
});

it('takes weights made with a queue of another size, and keeps its own queue', async () => {
  const model = await BlipPretrain.fromConfig(familySection(FOLDER, { queue_size: 8 }));
  const { dropped } = await model.loadCheckpoint(fixture(FOLDER, 'weights.pth'));
  assert.deepEqual(dropped, ['image_queue', 'text_queue']);
  assert.throws(
    () => model.checkPlan({ batch: 6 }),
    (error: ConfigError) => {
      return error instanceof ConfigError && /a queue of 8, batches of 6/.test(error.message);
    },
  );
  model.checkPlan({ batch: 4 });
  const lengths = tf.tidy(() => model.queue.queues[0].square().sum(0).dataSync());
  for (const length of lengths) assert.ok(Math.abs(length - 1) < 1e-5);
  model.dispose();
});

const hostOf = async (tensor: tf.Tensor): Promise<HostTensor> => ({
  dtype: 'float32',
  shape: tensor.shape,
  data: (await tensor.data()) as Float32Array,
});

it("is saved whole by a run, and carried on from LAVIS's own checkpoints, which lack the momentum copies", async () => {
  const [model, other] = [
    await familyModel(BlipPretrain, FOLDER),
    await BlipPretrain.fromConfig(familySection(FOLDER)),
  ];
  const folder = temporaryFolder();
  const save = async (file: string, keep: (name: string) => boolean) => {
    const path = join(folder, file);
    const state = new Map([...model.stateDict()].filter(([name]) => keep(name)));
    await saveTorch(path, { model: savedState(state) });
    return path;
  };
  await restoreWeights(await save('whole.pth', () => true), other);
  const copy = 'visual_encoder_m.norm.weight';
  const own = model.stateDict();
  for (const [name, value] of other.stateDict()) {
    assert.equal(await maxDifference(value, await hostOf(own.get(name)!)), 0, name);
  }
  await restoreWeights(await save('lavis.pth', (name) => !model.frozenParameters().has(name)), other);
  const online = await hostOf(model.visualEncoder.norm.weight);
  assert.equal(await maxDifference(other.stateDict().get(copy)!, online), 0);
  assert.notEqual(await maxDifference(own.get(copy)!, online), 0);
  for (const one of [model, other]) one.dispose();
});
