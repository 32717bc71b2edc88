/** Files in COCO's form, and what goes by that name. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  type CaptionDataset,
  CocoCaptionBuilder,
  CustomCaptionBuilder,
  NoCapsBuilder,
} from '#src/datasets/index.js';
import { DataError } from '#src/index.js';
import { temporaryFolder } from '../support.js';

/** 'image: caption' of every training sample of a caption file. */
async function read(root: unknown, name = 'c.json'): Promise<string[]> {
  const folder = temporaryFolder();
  for (const file of ['p0.jpg', 'p1.jpg']) writeFileSync(`${folder}/${file}`, '');
  writeFileSync(`${folder}/${name}`, JSON.stringify(root));
  const build_info = {
    annotations: { all: { storage: `${folder}/${name}` } },
    images: { storage: folder },
    splits: { train: 1 },
  };
  const { train } = await CustomCaptionBuilder.fromConfig({ build_info }).buildDatasets(['train']);
  return (train as CaptionDataset).records.map(({ image, text_input }) => `${image}: ${text_input}`);
}

const coco = (images: object[], ids: unknown[], more: object = {}) => ({
  info: {},
  images,
  annotations: ids.map((image_id, i) => ({ id: i, image_id, caption: `caption ${i}` })),
  ...more,
});
const named = (...ids: unknown[]) => ids.map((id, i) => ({ id, file_name: `p${i}.jpg` }));

const READ: [what: string, root: unknown, lines: string[]][] = [
  ['ids in both forms', coco(named('0', 1), [0, '1']), ['p0.jpg: caption 0', 'p1.jpg: caption 1']],
  [
    'ids with leading zeros',
    coco(named('007', 8), [7, '000008']),
    ['p0.jpg: caption 0', 'p1.jpg: caption 1'],
  ],
  [
    'ids that leading zeros tell apart',
    coco(named('1', '01'), ['01', '1']),
    ['p1.jpg: caption 0', 'p0.jpg: caption 1'],
  ],
  ['an image that is listed twice', coco([...named(5, 6), ...named(5)], [5]), ['p0.jpg: caption 0']],
  ['file names under another name', coco([{ id: 1, path: 'p0.jpg' }], [1]), ['p0.jpg: caption 0']],
  [
    'splits of the images',
    coco(
      [
        { ...named(1)[0], split: 'train' },
        { id: 2, file_name: 'p1.jpg', split: 'test' },
      ],
      [1, 2],
    ),
    ['p0.jpg: caption 0'],
  ],
];

for (const [what, root, lines] of READ) {
  test(`a file in COCO's form is read with ${what}`, async () => assert.deepEqual(await read(root), lines));
}

const REFUSED: [what: string, root: unknown, message: RegExp][] = [
  [
    'ids of several images',
    coco([...named(0, 1), { id: 0, file_name: 'p2.jpg' }, { id: '1', file_name: 'p3.jpg' }], [0, 1]),
    /2 ids of several images each[\s\S]*c\.json, images[\s\S]*0, 1; 0 is p0\.jpg and p2\.jpg/,
  ],
  [
    'images without a name',
    coco([named(0)[0], { id: 1, url: 'x' }], [0]),
    /an image of a COCO file lacks the key 'file_name'[\s\S]*images entry 1[\s\S]*"url":"x"/,
  ],
  [
    'images whose name is no text',
    coco([{ id: 0, file_name: null }], [0]),
    /lacks the key 'file_name'[\s\S]*entry 0/,
  ],
  [
    'images without an id',
    coco([{ file_name: 'p0.jpg' }], [0]),
    /an image of a COCO file lacks the key 'id'[\s\S]*images entry 0/,
  ],
  [
    'captions without an image',
    coco(named(0), [0, undefined]),
    /annotation of a COCO file lacks the key 'image_id'[\s\S]*annotations entry 1/,
  ],
  [
    'captions of other images',
    coco(named(0, 1), [0, 7]),
    /not among the images[\s\S]*annotations entry 1[\s\S]*image_id 7[\s\S]*2 images: 0, 1/,
  ],
  [
    'objects',
    { images: named(0), annotations: [{ image_id: 0, bbox: [], category_id: 3 }] },
    /holds objects, not captions[\s\S]*captions_train2017/,
  ],
  [
    'no captions',
    { images: named(0), annotations: [{ image_id: 0, text: 'x' }] },
    /no 'caption'[\s\S]*image_id, text/,
  ],
];

for (const [what, root, message] of REFUSED) {
  test(`a file in COCO's form with ${what} is refused for what it is`, async () => {
    await assert.rejects(read(root), (error) => {
      assert.ok(error instanceof DataError, String(error));
      assert.match(error.message, message);
      return true;
    });
  });
}

const KARPATHY = {
  dataset: 'flickr8k',
  images: [
    { filename: 'p0.jpg', split: 'restval', sentences: [{ raw: 'one .' }, { tokens: ['a', 'cat'] }] },
    { filename: 'p1.jpg', split: 'train', sentences: [{ raw: 'two' }] },
    { filepath: 'val2014', filename: 'p2.jpg', split: 'val', sentences: [{ raw: 'three' }] },
  ],
};
const TEXTCAPS = {
  dataset_name: 'textcaps',
  data: [
    {
      image_id: 'p0',
      image_path: 'p0.jpg',
      caption_str: 'one',
      reference_strs: ['one', 'two'],
      set_name: 'train',
    },
    {
      image_id: 'p0',
      image_path: 'p0.jpg',
      caption_str: 'two',
      reference_strs: ['one', 'two'],
      set_name: 'train',
    },
    { image_id: 'p1', caption_str: 'three', set_name: 'train' },
    { image_id: 'p2', caption_str: 'four', set_name: 'val' },
  ],
};

test("Karpathy's own file is read with its splits; restval is trained on", async () => {
  assert.deepEqual(await read(KARPATHY), ['p0.jpg: one .', 'p0.jpg: a cat', 'p1.jpg: two']);
});

test("TextCaps's own file is read, every caption of an image once", async () => {
  assert.deepEqual(await read(TEXTCAPS), ['p0.jpg: one', 'p0.jpg: two', 'p1.jpg: three']);
  await assert.rejects(read({ data: [{ caption_str: 'x' }] }), /names no image[\s\S]*data entry 0/);
});

const FOREIGN: [what: string, root: object, name: RegExp][] = [
  ['COCO', coco(named(0), [0]), /COCO's own \(images and annotations\): keys info, images, annotations/],
  ['COCO without annotations', { images: named(0) }, /COCO's own, without annotations/],
  ['Karpathy', KARPATHY, /Karpathy's own/],
  ['TextCaps', TEXTCAPS, /TextCaps's own/],
];

for (const [what, root, name] of FOREIGN) {
  test(`a file of ${what} in the place of LAVIS's is named, and the dataset that reads it`, async () => {
    const folder = temporaryFolder();
    writeFileSync(`${folder}/v.json`, JSON.stringify(root));
    const build_info = { annotations: { val: { storage: `${folder}/v.json` } }, images: { storage: folder } };
    for (const Builder of [CocoCaptionBuilder, NoCapsBuilder]) {
      await assert.rejects(Builder.fromConfig({ build_info }).buildDatasets(), (error) => {
        assert.ok(error instanceof DataError, String(error));
        assert.match(error.message, name);
        assert.match(error.message, /v\.json[\s\S]*custom_caption reads it/);
        return true;
      });
    }
  });
}
