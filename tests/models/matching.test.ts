import assert from 'node:assert/strict';
import { after, before, it, test } from 'node:test';
import type { HostTensor } from '#src/common/host_tensor.js';
import { setupEngine, tf } from '#src/engine/index.js';
import { BlipImageTextMatching, computeGradcam } from '#src/models/index.js';
import { fixture, fixtureJson } from '../support.js';
import { onEveryEngine } from './engines.js';
import { assertStateDict, assertTensors, familyModel, imageOf } from './family.js';
import { images, maxDifference, readTensors } from './tiny.js';

const FOLDER = 'tiny_itm';
interface Forward {
  texts: string[];
  more_texts: string[];
  gradcam: { block_num: number; texts: string[]; image_rows: number[] };
}
const { texts, more_texts, gradcam } = fixtureJson<Forward>(FOLDER, 'forward.json');

onEveryEngine('image-text matching of the reference', () => {
  let model: BlipImageTextMatching;
  let inputs: ReadonlyMap<string, HostTensor>;
  let expected: ReadonlyMap<string, HostTensor>;
  let image: tf.Tensor4D;

  before(async () => {
    model = (await familyModel(BlipImageTextMatching, FOLDER)).eval();
    inputs = await readTensors(FOLDER, 'inputs.safetensors');
    expected = await readTensors(FOLDER, 'forward.safetensors');
    image = imageOf(inputs);
  });
  after(() => model.dispose());

  it('has the names of the reference', () => assertStateDict(model, FOLDER));

  it('gives the logits of pairs and the similarities of all with all', async () => {
    const itm = model.match({ image, text_input: texts }, 'itm');
    const itc = model.match({ image, text_input: texts }, 'itc');
    const two = images(inputs.get('image')!, [0, 1]);
    const more = model.match({ image: two, text_input: more_texts }, 'itc');
    await assertTensors(expected, { itm_logits: itm, itc_sim: itc, itc_sim_2x4: more }, 1e-5);
    assert.throws(() => model.match({ image: two, text_input: more_texts }, 'itm'), /2 images, 4 texts/);
    tf.dispose([itm, itc, two, more]);
  });

  it('ranks encoded images and ids whose first three tokens are dropped', async () => {
    const { shape, data } = expected.get('rank_input_ids')!;
    const ids = Array.from(data as BigInt64Array, Number);
    const rows = Array.from({ length: shape[0] }, (_, i) => ids.slice(i * shape[1], (i + 1) * shape[1]));
    const embeds = tf.tidy(() => model.visualEncoder.forward(image));
    const [itm, itc] = [model.rank(embeds, rows, 'itm'), model.rank(embeds, rows, 'itc')];
    await assertTensors(expected, { rank_itm: itm, rank_itc: itc }, 1e-5);
    tf.dispose([embeds, itm, itc]);
  });

  it('shows where an image speaks for its text, and keeps nothing of it', async () => {
    const wanted = await readTensors(FOLDER, 'gradcam.safetensors');
    const some = images(inputs.get('image')!, gradcam.image_rows);
    const before = tf.memory().numTensors;
    const samples = { image: some, text_input: gradcam.texts };
    const { maps, itmLogits } = computeGradcam(model, samples, { block: gradcam.block_num });
    assert.equal(tf.memory().numTensors - before, maps.length + 1);
    await assertTensors(wanted, { itm_logits: itmLogits }, 1e-5);
    for (const [i, map] of maps.entries()) {
      const { data } = wanted.get(`gradcam_${i}`)!;
      const most = Math.max(...(data as Float32Array));
      assert.ok((await maxDifference(map, wanted.get(`gradcam_${i}`)!)) <= 1e-4 * most, `map ${i}`);
    }
    assert.throws(() => computeGradcam(model, samples, { block: 9 }), RangeError);
    tf.dispose([some, itmLogits, ...maps]);
  });
});

test('weights of another size are dropped as the reference drops them', async () => {
  await setupEngine();
  const model = await familyModel(BlipImageTextMatching, FOLDER);
  const loading = fixtureJson<{ dropped_for_another_shape: string[]; missing_keys: string[] }>(
    FOLDER,
    'loading.json',
  );
  const { dropped, missing } = await model.loadFromPretrained(fixture('tiny_pretrain', 'weights.pth'));
  assert.deepEqual(missing.toSorted(), loading.missing_keys.toSorted());
  // The fixture names what does not fit as it stands; positions of another width do not fit once interpolated.
  assert.deepEqual(
    dropped.toSorted(),
    [...loading.dropped_for_another_shape, 'visual_encoder.pos_embed'].sort(),
  );
  assert.throws(() => model.forward(), /no loss[\s\S]*match/);
  model.dispose();
});
