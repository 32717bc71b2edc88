import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rng } from '#src/common/random.js';
import {
  type ClassificationDataset,
  checkSamples,
  DataLoader,
  NlvrBuilder,
  type NumericArray,
  type Sample,
  SnliVeBuilder,
} from '#src/datasets/index.js';
import { collect, familySection, plain, samplesOf, withImages } from './support.js';

const PAIR = ['images/train/57/train-10171-0-img0.png', 'images/train/57/train-10171-0-img1.png'];
/** nlvr_train.json in the form that LAVIS hands out. */
const SENTENCES = [
  { sentence: 'The left image shows dogs, the right one bright cats.', label: 'True', images: PAIR },
  { sentence: 'Two dogs are there', label: 'False', images: [PAIR[1], PAIR[0]] },
];

interface Built {
  train: ClassificationDataset;
  val: ClassificationDataset;
}

async function nlvr(sentences: object[] = SENTENCES) {
  const files = await withImages(...PAIR);
  const section = familySection(files, { train: [sentences], val: [sentences] });
  return { ...files, ...((await NlvrBuilder.fromConfig(section).buildDatasets()) as unknown as Built) };
}

const pixel = (sample: Sample, key: string) => (sample[key] as NumericArray).data[0];

test('a sentence about two images has a label by the name of its class', async () => {
  const { val, images } = await nlvr();
  const samples = await samplesOf(val);
  assert.deepEqual(samples.map(plain), [
    { text_input: 'the left image shows dogs, the right one bright cats', label: 1, instance_id: '0' },
    { text_input: 'two dogs are there', label: 0, instance_id: '1' },
  ]);
  assert.deepEqual(val.classLabels, ['False', 'True']);
  assert.equal(pixel(samples[0], 'image0'), pixel(samples[1], 'image1'));
  assert.notEqual(pixel(samples[0], 'image0'), pixel(samples[0], 'image1'));
  assert.deepEqual([...val.imageFiles!()][0], ['0', PAIR.map((name) => `${images}/${name}`)]);
  assert.equal([...val.sources!()].length, 4);
  const batch = val.collate(samples);
  assert.deepEqual(
    [batch.label, (batch.image1 as NumericArray).shape],
    [
      [1, 0],
      [2, 16, 16, 3],
    ],
  );
});

test('in training, images are swapped by the sample’s own random numbers, and left and right with them', async () => {
  const { train, val } = await nlvr();
  const [straight] = await samplesOf(val);
  let swapped = 0;
  for (let seed = 0; seed < 200; seed++) {
    const sample = await train.get(0, Rng.of(seed));
    assert.deepEqual(await train.get(0, Rng.of(seed)), sample);
    const isSwapped = pixel(sample, 'image0') === pixel(straight, 'image1');
    swapped += Number(isSwapped);
    assert.equal(pixel(sample, isSwapped ? 'image1' : 'image0'), pixel(straight, 'image0'));
    const text = isSwapped
      ? 'the right image shows dogs, the left one bleft cats'
      : 'the left image shows dogs, the right one bright cats';
    assert.deepEqual([sample.text_input, sample.label], [text, 1]);
  }
  assert.ok(swapped > 70 && swapped < 130, `${swapped} of 200`);
});

test('workers flip the same samples as this thread', async () => {
  const { train } = await nlvr(Array.from({ length: 16 }, (_, i) => SENTENCES[i % 2]));
  const read = async (numWorkers: number) => {
    const loader = new DataLoader({ dataset: train, batchSize: 16, numWorkers, seed: 3, shuffle: true });
    const batches = await collect(loader.epoch(1));
    await loader.close();
    return batches;
  };
  const [here, there] = [await read(0), await read(2)];
  assert.deepEqual(there, here);
  const texts = here[0].text_input as string[];
  assert.ok(
    texts.some((text) => text.startsWith('the right')) && texts.some((text) => text.startsWith('the left')),
  );
});

test('a missing second image is found before the first step', async () => {
  const { train } = await nlvr([SENTENCES[0], { ...SENTENCES[1], images: [PAIR[0], 'images/gone.png'] }]);
  await assert.rejects(
    checkSamples([train], 0),
    /an image is missing[\s\S]*gone\.png[\s\S]*train0\.json, entry 1/,
  );
});

test('SNLI-VE names images by their number, and three classes', async () => {
  const entries = [
    { image: '4705552913', sentence: 'Two women are hugging.', label: 'neutral' },
    { image: '4705552913', sentence: 'Men fight.', label: 'contradiction' },
    { image: '4705552913', sentence: 'People are there.', label: 'entailment' },
  ];
  const files = await withImages('4705552913.jpg');
  const section = familySection(files, { train: [entries], val: [entries] });
  const { train } = (await SnliVeBuilder.fromConfig(section).buildDatasets()) as unknown as Built;
  const samples = await samplesOf(train);
  assert.deepEqual(plain(samples[0]), {
    image_id: '4705552913',
    text_input: 'two women are hugging',
    label: 1,
    instance_id: '0',
  });
  assert.deepEqual(train.collate(samples).label, [1, 0, 2]);
  assert.deepEqual([...train.imageFiles!().keys()], ['0', '1', '2']);
});

test('a label that is not a class, and an entry without two images, are refused with their place', async () => {
  await assert.rejects(
    nlvr([SENTENCES[0], { ...SENTENCES[1], label: 'Flase' }]),
    /a label is not one of the classes[\s\S]*train0\.json, entry 1[\s\S]*did you mean 'False'[\s\S]*False, True/,
  );
  await assert.rejects(nlvr([{ ...SENTENCES[0], images: [PAIR[0]] }]), /does not name two images/);
});
