import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { checkEmbeds, embedsPath, readEmbeds, writeEmbeds } from '#src/datasets/index.js';
import { setupEngine, tf } from '#src/engine/index.js';
import {
  BlipClassification,
  BlipNLVR,
  BlipPretrain,
  BlipRetrieval,
  BlipVQA,
  type ImageEncoding,
} from '#src/models/index.js';
import { fixtureJson, temporaryFolder } from '../support.js';
import { familyModel, imageOf } from './family.js';
import { images, readTensors, tinyModel } from './tiny.js';
import { assertNear, train } from './train_tiny.js';

const folder = temporaryFolder();

/** An image's embeddings as they come back from the cache. */
async function throughCache(encoding: ImageEncoding, image: tf.Tensor4D, name = 'key'): Promise<tf.Tensor3D> {
  const embeds = encoding.encode(image);
  const [count, ...shape] = embeds.shape;
  const data = embeds.dataSync<'float32'>();
  const back: tf.Tensor[] = [];
  for (let i = 0; i < count; i++) {
    const place = { folder: join(folder, name), picture: `picture${i}`, view: 0 };
    const size = data.length / count;
    await writeEmbeds(place, { data: data.slice(i * size, (i + 1) * size), shape });
    const read = await readEmbeds(place);
    back.push(tf.tensor(read.data, [...read.shape]));
  }
  const stacked = tf.stack(back) as tf.Tensor3D;
  tf.dispose([embeds, ...back]);
  return stacked;
}

describe('models that see remembered images', () => {
  before(async () => {
    await setupEngine();
  });

  it('train as PyTorch does with a frozen image encoder, to float16', async () => {
    const { cases } = fixtureJson<{ cases: { freeze: string[]; loss: number[] }[] }>(
      'frozen_caption',
      'train_steps.json',
    );
    const { loss } = cases.find(({ freeze }) => String(freeze) === 'visual_encoder')!;
    const { batch_rows } = fixtureJson<{ batch_rows: number[][] }>('tiny_caption', 'train_steps.json');
    const image = (await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!;
    const model = await tinyModel({ freeze_vit: true });
    const encoding = model.imageEncoding();
    assert.ok(encoding.isFrozen);
    const all = images(image);
    const embeds = await throughCache(encoding, all);
    assert.deepEqual(embeds.shape.slice(1), encoding.shape);
    model.visualEncoder.forward = () => assert.fail('pixels were encoded');
    const seen = (rows: number[]) => ({
      image_embeds: tf.tidy(() => tf.gather(embeds, tf.tensor1d(rows, 'int32'))),
    });
    assertNear(train(model, image, batch_rows.slice(0, 5), 1, seen), loss, 1e-3);
    tf.dispose([all, embeds]);
    model.dispose();
  });

  it('caption the same', async () => {
    const model = (await tinyModel()).eval();
    const image = images((await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!);
    const embeds = model.imageEncoding().encode(image);
    const options = { numBeams: 3, maxLength: 12, minLength: 3 };
    const expected = await model.generate({ image }, options);
    assert.deepEqual(await model.generate({ image_embeds: embeds }, options), expected);
    assert.equal(embeds.isDisposed, false);
    assert.ok(!model.imageEncoding().isFrozen);
    tf.dispose([image, embeds]);
    model.dispose();
  });

  it('answer and learn to answer the same', async () => {
    const given = fixtureJson<{
      questions: string[];
      answers: string[];
      weight: number[];
      n_answers: number[];
    }>('tiny_vqa', 'forward.json');
    const model = (await familyModel(BlipVQA, 'tiny_vqa')).eval();
    const image = imageOf(await readTensors('tiny_vqa', 'inputs.safetensors'));
    const embeds = model.imageEncoding().encode(image);
    const rest = { text_input: given.questions, ...given };
    const loss = (seen: object) => tf.tidy(() => model.forward({ ...seen, ...rest }).loss.dataSync()[0]);
    assert.equal(loss({ image_embeds: embeds }), loss({ image }));
    tf.dispose([image, embeds]);
    model.dispose();
  });

  it('put into classes the same, without momentum copies', async () => {
    const { texts, label } = fixtureJson<{ texts: string[]; label: number[] }>(
      'tiny_classification',
      'forward.json',
    );
    const distilled = await familyModel(BlipClassification, 'tiny_classification');
    assert.throws(() => distilled.imageEncoding(), /momentum copies.*\n.*model\.use_distill=False/);
    distilled.dispose();
    const alone = await familyModel(BlipClassification, 'tiny_classification', { use_distill: false });
    const model = alone.eval();
    const image = imageOf(await readTensors('tiny_classification', 'inputs.safetensors'));
    const embeds = model.imageEncoding().encode(image);
    const rest = { text_input: texts, label };
    const loss = (seen: object) => tf.tidy(() => model.forward({ ...seen, ...rest }).loss.dataSync()[0]);
    const classes = (seen: object) =>
      tf.tidy(() => Array.from(model.predict({ ...seen, ...rest }).predictions.dataSync()));
    assert.equal(loss({ image_embeds: embeds }), loss({ image }));
    assert.deepEqual(classes({ image_embeds: embeds }), classes({ image }));
    tf.dispose([image, embeds]);
    model.dispose();
  });

  it('judge pairs the same', async () => {
    const { texts, label } = fixtureJson<{ texts: string[]; label: number[] }>('tiny_nlvr', 'forward.json');
    const model = (await familyModel(BlipNLVR, 'tiny_nlvr')).eval();
    const inputs = await readTensors('tiny_nlvr', 'inputs.safetensors');
    const [image0, image1] = [imageOf(inputs, 'image0'), imageOf(inputs, 'image1')];
    const [image0_embeds, image1_embeds] = [image0, image1].map(model.imageEncoding().encode);
    const rest = { text_input: texts, label };
    const loss = (seen: object) => tf.tidy(() => model.forward({ ...seen, ...rest }).loss.dataSync()[0]);
    assert.ok(Math.abs(loss({ image0_embeds, image1_embeds }) - loss({ image0, image1 })) < 1e-6);
    assert.throws(() => loss({ image0, image1: image1.slice(0, 1) }), /differ in number or size/);
    tf.dispose([image0, image1, image0_embeds, image1_embeds]);
    model.dispose();
  });

  it('are none of those whose momentum copies read pixels too', async () => {
    for (const [Model, name] of [
      [BlipPretrain, 'tiny_pretrain'],
      [BlipRetrieval, 'tiny_retrieval'],
    ] as const) {
      const model = await familyModel(Model as typeof BlipPretrain, name);
      assert.throws(() => model.imageEncoding(), /Blip(Pretrain|Retrieval) with momentum copies/);
      model.dispose();
    }
  });
});

describe('a file of embeddings', () => {
  const place = { folder: join(folder, 'files'), picture: 'aabbcc', view: 3 };
  const written = { data: Float32Array.of(0, 1, -2.5, 65504, 1e-7, 0.1), shape: [2, 3] };

  it('comes back in float16', async () => {
    await writeEmbeds(place, written);
    const { data, shape } = await readEmbeds(place);
    assert.deepEqual(shape, [2, 3]);
    assert.deepEqual([...data], [0, 1, -2.5, 65504, 2 ** -23, 0.0999755859375]);
    assert.equal(embedsPath(place), join(folder, 'files', 'aa', 'aabbcc-3.safetensors'));
  });

  it('is removed where it has another shape, and absent then', async () => {
    await writeEmbeds(place, written);
    assert.equal(await checkEmbeds(place, [2, 3]), 'there');
    assert.equal(await checkEmbeds(place, [3, 2]), 'removed');
    assert.equal(await checkEmbeds(place, [3, 2]), 'absent');
  });

  it('takes no numbers that float16 does not have', async () => {
    for (const wrong of [1e5, Number.NaN, -Infinity]) {
      await assert.rejects(
        writeEmbeds(place, { data: Float32Array.of(wrong), shape: [1] }),
        /do not fit into float16/,
      );
    }
  });
});
