import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { HostTensor } from '#src/common/host_tensor.js';
import { collate, type Dataset, type Sample, VqaTrainDataset } from '#src/datasets/index.js';
import { type Communicator, SingleCommunicator } from '#src/distributed/index.js';
import { setupEngine, tf } from '#src/engine/index.js';
import { BlipNLVR, BlipRetrieval, BlipVQA, type Model, type RetrievalSamples } from '#src/models/index.js';
import { splitLosses } from '#src/runners/split_losses.js';
import { BaseTask } from '#src/tasks/index.js';
import { assertNear, familyModel } from '../models/family.js';
import { readTensors, tinyModel } from '../models/tiny.js';
import { fixtureJson } from '../support.js';

class PlainTask extends BaseTask {
  readonly resultKey = 'image_id';
  async afterEvaluation(): Promise<undefined> {
    return undefined;
  }
}

/** Samples that are there already. */
function datasetOf(samples: readonly Sample[], collated: Dataset['collate'] = collate): Dataset {
  return { name: 'samples', length: samples.length, get: async (i) => samples[i], collate: collated };
}

/** The images of a fixture, [B, 3, H, W], each as a reader gives it. */
function picturesOf({ shape, data }: HostTensor): Sample[] {
  const [count, channels, height, width] = shape;
  const area = height * width;
  return Array.from({ length: count }, (_, i) => {
    const pixels = new Float32Array(area * channels);
    for (let at = 0; at < area; at++) {
      for (let c = 0; c < channels; c++) {
        pixels[at * channels + c] = (data as Float32Array)[(i * channels + c) * area + at];
      }
    }
    return { data: pixels, shape: [height, width, channels] };
  });
}

const lossesOf = (
  model: Model,
  dataset: Dataset,
  batchSize: number,
  comm: Communicator = new SingleCommunicator(),
) => splitLosses({ split: 'val', task: new PlainTask(), model, dataset, batchSize, comm, loading: {} });

/** Ranks of one process: a gathering waits for all. */
function ranksOf(count: number): Communicator[] {
  const calls: { values: unknown[]; resolve: (all: unknown[]) => void; all: Promise<unknown[]> }[] = [];
  return Array.from({ length: count }, (_, rank) => {
    let call = 0;
    const comm = new SingleCommunicator();
    return Object.assign(Object.create(comm) as Communicator, {
      rank,
      worldSize: count,
      async allGather(value: unknown) {
        const at = call++;
        let resolve: (all: unknown[]) => void = () => {};
        calls[at] ??= {
          values: [],
          all: new Promise((done) => (resolve = done)),
          resolve: (all) => resolve(all),
        };
        calls[at].values[rank] = structuredClone(value);
        if (Object.keys(calls[at].values).length === count) calls[at].resolve(calls[at].values);
        return calls[at].all;
      },
    });
  });
}

describe('the loss of an evaluation split', () => {
  before(async () => {
    await setupEngine({ device: 'cpu' });
  });

  /** The four captions of the fixture, with dropout that training would have. */
  const captions = async () => {
    const { texts, loss } = fixtureJson<{ texts: string[]; loss: number }>('tiny_caption', 'forward.json');
    const pictures = picturesOf((await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!);
    const samples = texts.map((text_input, i) => ({ image: pictures[i], text_input }));
    return { dataset: datasetOf(samples), loss };
  };

  it("is the reference's loss of all captions at once, whatever the batches are", async () => {
    const { dataset, loss } = await captions();
    const model = await tinyModel({ vit_drop_path_rate: 0.3 });
    model.train();
    for (const size of [1, 2, 3, 4]) {
      const losses = await lossesOf(model, dataset, size);
      assert.deepEqual(Object.keys(losses), ['loss', 'loss_lm']);
      assertNear(losses.loss, loss, 1e-5, `batches of ${size}`);
    }
    assert.ok(model.training, 'training goes on');
    model.dispose();
  });

  it("is the reference's of questions and of statements too", async () => {
    interface Answered {
      questions: string[];
      answers: string[];
      weight: number[];
      n_answers: number[];
      loss: number;
    }
    const vqa = fixtureJson<Answered>('tiny_vqa', 'forward.json');
    const asked = picturesOf((await readTensors('tiny_vqa', 'inputs.safetensors')).get('image')!);
    const questions = vqa.questions.map((text_input, i) => {
      const start = vqa.n_answers.slice(0, i).reduce((sum, n) => sum + n, 0);
      const own = <T>(list: T[]) => list.slice(start, start + vqa.n_answers[i]);
      return { image: asked[i], text_input, answers: own(vqa.answers), weights: own(vqa.weight) };
    });
    const model = await familyModel(BlipVQA, 'tiny_vqa');
    const collated = VqaTrainDataset.prototype.collate;
    for (const size of [1, 2, 3]) {
      assertNear((await lossesOf(model, datasetOf(questions, collated), size)).loss, vqa.loss, 1e-5, 'vqa');
    }
    model.dispose();

    const nlvr = fixtureJson<{ texts: string[]; label: number[]; loss: number }>('tiny_nlvr', 'forward.json');
    const inputs = await readTensors('tiny_nlvr', 'inputs.safetensors');
    const [left, right] = ['image0', 'image1'].map((name) => picturesOf(inputs.get(name)!));
    const pairs = nlvr.texts.map((text_input, i) => ({
      ...{ image0: left[i], image1: right[i], text_input, label: nlvr.label[i] },
    }));
    const classifier = await familyModel(BlipNLVR, 'tiny_nlvr');
    for (const size of [1, 2]) {
      assertNear((await lossesOf(classifier, datasetOf(pairs), size)).loss, nlvr.loss, 1e-5, 'nlvr');
    }
    classifier.dispose();
  });

  it('is the same to the last bit on one rank, two and five', async () => {
    const { dataset } = await captions();
    const [alone, ...models] = await Promise.all(Array.from({ length: 6 }, () => tinyModel()));
    const expected = await lossesOf(alone, dataset, 1);
    for (const count of [2, 5]) {
      const told = await Promise.all(
        ranksOf(count).map((comm) => lossesOf(models[comm.rank], dataset, 1, comm)),
      );
      for (const losses of told) assert.deepEqual(losses, expected);
    }
    for (const model of [alone, ...models]) model.dispose();
  });

  it('of pairs compared with each other leaves queue, copies, temperature and noise as they are', async () => {
    const { texts } = fixtureJson<{ texts: string[] }>('tiny_retrieval', 'forward.json');
    const pictures = picturesOf((await readTensors('tiny_retrieval', 'inputs.safetensors')).get('image')!);
    const samples = texts.map((text_input, i) => ({ image: pictures[i], text_input, image_id: i }));
    const model = await familyModel(BlipRetrieval, 'tiny_retrieval');
    tf.tidy(() => model.temp.assign(tf.scalar(0.6))); // a training step would clamp it
    const valuesOf = () =>
      Object.fromEntries([...model.stateDict()].map(([name, value]) => [name, Array.from(value.dataSync())]));
    const before = valuesOf();
    // A batch of three, that no queue of 8 takes, and one of one.
    const losses = await lossesOf(model, datasetOf(samples), 3);
    assert.deepEqual(valuesOf(), before);
    assert.deepEqual(Object.keys(losses), ['loss', 'loss_itc', 'loss_itm']);
    assert.deepEqual(await lossesOf(model, datasetOf(samples), 3), losses, 'negatives are drawn alike');
    const two = await Promise.all(
      [model, await familyModel(BlipRetrieval, 'tiny_retrieval')].map((own, rank, all) => {
        if (rank === 1) tf.tidy(() => own.temp.assign(all[0].temp));
        return own;
      }),
    );
    const told = await Promise.all(
      ranksOf(2).map((comm) => lossesOf(two[comm.rank], datasetOf(samples), 3, comm)),
    );
    assert.deepEqual(told, [losses, losses]);
    const now = new PlainTask().trainSamples(collate(samples), { epoch: 0, step: 0, stepsPerEpoch: 1 });
    const step = model.forward(now as RetrievalSamples);
    assert.ok(Number.isFinite(step.loss.dataSync()[0]));
    assert.notDeepEqual(valuesOf(), before, 'training moves them as ever');
    for (const each of two) each.dispose();
  });
});
