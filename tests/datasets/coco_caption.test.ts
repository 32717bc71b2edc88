import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import sharp from 'sharp';
import { Rng } from '#src/common/random.js';
import {
  type CaptionEvalDataset,
  CocoCaptionBuilder,
  DataLoader,
  type Dataset,
} from '#src/datasets/index.js';
import { DataError, registry } from '#src/index.js';
import { collect, imageOf, tinyCoco } from './support.js';

const build = async (section: Record<string, unknown>) =>
  (await CocoCaptionBuilder.fromConfig(section).buildDatasets()) as Record<string, Dataset>;

test('coco_caption has train, val and test, with the keys of the reference', async () => {
  assert.equal(registry.getBuilderClass('coco_caption'), CocoCaptionBuilder);
  const { section } = await tinyCoco(3);
  const { train, val, test: testSplit } = await build(section);
  const sample = await train.get(2, Rng.of(0));
  assert.deepEqual(Object.keys(sample).sort(), ['image', 'image_id', 'text_input']);
  assert.equal(sample.text_input, 'picture number 2');
  assert.equal(sample.image_id, 'coco_2');
  assert.deepEqual(imageOf(sample).shape, [16, 16, 3]);
  const evaluated = await val.get(1, Rng.of(0));
  assert.deepEqual(Object.keys(evaluated).sort(), ['image', 'image_id', 'instance_id']);
  assert.equal(evaluated.image_id, 1);
  assert.equal(evaluated.instance_id, '1');
  assert.equal(testSplit.length, 3);
});

test('the ground truth comes from the annotations', async () => {
  const { section } = await tinyCoco(2);
  const { val } = await build(section);
  assert.deepEqual((val as CaptionEvalDataset).groundTruth(), {
    annotations: [
      { image_id: 0, caption: 'a 0', id: 0 },
      { image_id: 0, caption: 'b 0', id: 1 },
      { image_id: 1, caption: 'a 1', id: 2 },
      { image_id: 1, caption: 'b 1', id: 3 },
    ],
    images: [{ id: 0 }, { id: 1 }],
  });
});

test('pictures of any size and format load in batches, and their ground truth is the one that lies beside them', async () => {
  const { section, path } = await tinyCoco(1, 32);
  const formats = ['jpg', 'png', 'webp'] as const;
  const pictures = Array.from({ length: 12 }, (_, i) => ({
    image: `val2014/${String(i * 34).padStart(12, '0')}.${formats[i % 3]}`,
    image_id: `photo_${i * 34}`,
    caption: ['one', 'two', 'three'].map((word) => `Picture ${i}, caption ${word}.`),
  }));
  mkdirSync(path('images/val2014'));
  for (const [i, { image }] of pictures.entries()) {
    const size = { width: 30 + 7 * i, height: 100 - 5 * i };
    const noise = { type: 'gaussian', mean: 120, sigma: 40 } as const;
    const drawn = sharp({ create: { ...size, channels: 3, background: 'black', noise } });
    await (i % 4 === 1 ? drawn.greyscale() : drawn).toFile(path(`images/${image}`));
  }
  writeFileSync(path('photos_val.json'), JSON.stringify(pictures));
  const flat = pictures.flatMap(({ caption, ...picture }) =>
    caption.map((each) => ({ ...picture, caption: each })),
  );
  writeFileSync(path('photos_train.json'), JSON.stringify(flat));
  // coco_karpathy_val_gt.json's form: captions numbered in order, ids as numbers
  const truth = {
    annotations: flat.map(({ image_id, caption }, id) => ({
      image_id: Number(image_id.slice(6)),
      caption,
      id,
    })),
    images: pictures.map(({ image_id }) => ({ id: Number(image_id.slice(6)) })),
  };
  const storage = (split: string) => ({ storage: path(`photos_${split}.json`) });
  const build_info = {
    annotations: { train: storage('train'), val: storage('val'), test: null },
    images: { storage: path('images') },
  };
  const { train, val, ...rest } = await build({ ...section, build_info });
  assert.deepEqual(rest, {});
  assert.equal(train.length, 36);
  const batches = await collect(new DataLoader({ dataset: val, batchSize: 5 }).epoch(0));
  assert.deepEqual(
    batches.map((batch) => imageOf(batch).shape),
    [
      [5, 32, 32, 3],
      [5, 32, 32, 3],
      [2, 32, 32, 3],
    ],
  );
  assert.deepEqual((val as CaptionEvalDataset).groundTruth(), truth);
});

async function failure(
  change: (path: (name: string) => string, section: never) => unknown,
): Promise<DataError> {
  const { section, path } = await tinyCoco(3);
  await change(path, section as never);
  try {
    const { train } = await build(section);
    await collect(new DataLoader({ dataset: train, batchSize: 2 }).epoch(0));
  } catch (error) {
    assert.ok(error instanceof DataError, String(error));
    return error;
  }
  return assert.fail('nothing was thrown');
}

const annotation = (index: number) => ({
  image: `COCO_00000${index}.jpg`,
  image_id: index,
  caption: 'c',
});

test('an annotation file that is not JSON is told', async () => {
  const error = await failure((path) => writeFileSync(path('train.json'), '[{"image": "a.jpg",'));
  assert.match(error.message, /an annotation file is not JSON/);
  assert.match(error.message, /train\.json/);
});

for (const key of ['image', 'caption', 'image_id']) {
  test(`an annotation without '${key}' is told with its index`, async () => {
    const lacking = { ...annotation(1), [key]: undefined };
    const error = await failure((path) =>
      writeFileSync(path('train.json'), JSON.stringify([annotation(0), lacking])),
    );
    assert.match(error.message, new RegExp(`an annotation lacks the key '${key}'`));
    assert.match(error.message, /train\.json, entry 1/);
  });
}

test('a key of another type is told with its index and what it may be', async () => {
  for (const [key, value] of Object.entries({ image: 3, caption: 5, image_id: [1] })) {
    const wrong = { ...annotation(1), [key]: value };
    const error = await failure((path) =>
      writeFileSync(path('train.json'), JSON.stringify([annotation(0), wrong])),
    );
    assert.match(error.message, new RegExp(`an annotation's '${key}' is of another type`));
    assert.match(error.message, /train\.json, entry 1[\s\S]*allowed: .* a string/);
  }
});

test('captions that are not text are told before training, with their index', async () => {
  for (const caption of [5, ['a', null]]) {
    const error = await failure((path) =>
      writeFileSync(path('val.json'), JSON.stringify([annotation(0), { ...annotation(1), caption }])),
    );
    assert.match(error.message, /'caption' is not text/);
    assert.match(error.message, /val\.json, entry 1/);
  }
});

test('an absolute image path is itself, as os.path.join has it', async () => {
  const { section, path } = await tinyCoco(2);
  const elsewhere = await tinyCoco(1);
  const image = elsewhere.path('images/COCO_000000.jpg');
  writeFileSync(path('train.json'), JSON.stringify([{ ...annotation(1), image }]));
  const { train } = await build(section);
  assert.deepEqual([...train.imageFiles!().values()], [[image]]);
  assert.equal((await train.get(0, Rng.of(0))).text_input, 'c');
});

test('an entry that is no object, and a file that is no list, are told', async () => {
  const entry = await failure((path) =>
    writeFileSync(path('train.json'), JSON.stringify([annotation(0), 5])),
  );
  assert.match(entry.message, /entry 1/);
  const file = await failure((path) => writeFileSync(path('train.json'), '"text"'));
  assert.match(file.message, /holds no list/);
});

test('an empty dataset is told with the option that points elsewhere', async () => {
  const error = await failure((path) => writeFileSync(path('train.json'), '[]'));
  assert.match(error.message, /the dataset coco_caption train is empty/);
  assert.match(error.message, /datasets\.coco_caption\.build_info\.annotations\.train\.storage=/);
});

test('a url of another number of files than storage has belongs to none of them', async () => {
  const error = await failure((path, section: { build_info: { annotations: unknown } }) => {
    const storage = [path('no/a.json'), path('no/b.json')];
    section.build_info.annotations = { train: { url: ['http://localhost:9/train.json'], storage } };
  });
  assert.match(error.message, /no url is given/);
  assert.doesNotMatch(error.message, /localhost:9/);
});

test('one image that is missing does not make the folder the wrong one', async () => {
  const { section, path } = await tinyCoco(5);
  rmSync(path('images/COCO_000000.jpg'));
  assert.equal((await build(section)).train.length, 5);
});

test('a missing image is told with its file and index', async () => {
  const list = [annotation(0), { ...annotation(1), image: 'nowhere.jpg' }];
  const error = await failure((path) => writeFileSync(path('train.json'), JSON.stringify(list)));
  assert.equal(error.headline, 'an image is missing');
  assert.match(error.message, /nowhere\.jpg/);
  assert.match(error.message, /entry 1/);
});

test('a truncated JPEG is told with its file and index', async () => {
  const error = await failure((path) => {
    const file = path('images/COCO_000002.jpg');
    writeFileSync(file, readFileSync(file).subarray(0, -150));
  });
  assert.match(error.message, /an image cannot be decoded/);
  assert.match(error.message, /COCO_000002\.jpg/);
  assert.match(error.message, /entry 2/);
});

test('a missing image folder is told before training, with the command that fetches it', async () => {
  const error = await failure((path, section: { build_info: { images: { storage: string } } }) => {
    section.build_info.images.storage = path('elsewhere');
  });
  assert.match(error.message, /elsewhere/);
  assert.match(error.message, /lavis download coco/);
  assert.match(error.message, /--options datasets\.coco_caption\.build_info\.images\.storage=/);
});

test('a folder that holds none of the images is told before training', async () => {
  const error = await failure((path, section: { build_info: { images: { storage: string } } }) => {
    section.build_info.images.storage = path('.');
  });
  assert.match(error.message, /holds none of the images of coco_caption train/);
});

test('missing annotations are told in one message: each URL, each path, each option', async () => {
  const error = await failure((path, section: { build_info: { annotations: unknown } }) => {
    const file = (split: string) => ({
      url: `http://localhost:9/${split}.json`,
      storage: path(`no/${split}.json`),
    });
    section.build_info.annotations = { train: file('train'), val: file('val') };
  });
  for (const split of ['train', 'val']) {
    assert.match(error.message, new RegExp(`no/${split}\\.json`));
    assert.match(error.message, new RegExp(`http://localhost:9/${split}\\.json`));
    assert.match(error.message, new RegExp(`annotations\\.${split}\\.storage=`));
  }
  assert.match(error.message, /ECONNREFUSED/);
});
