/** What is told of data and ground truth before a run's first step. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type BuilderClass,
  type CaptionEvalDataset,
  CocoCaptionBuilder,
  CustomCaptionBuilder,
  type Dataset,
  NoCapsBuilder,
  type Splits,
} from '#src/datasets/index.js';
import { DataError } from '#src/index.js';
import { CaptionTask, checkData } from '#src/tasks/index.js';
import { temporaryFolder } from '../support.js';

const IMAGES = ['cat/img_0.jpg', 'dog/img_0.jpg', 'dog/img_1.jpg', 'x_007.png'];

/** The val split of a dataset over empty image files. */
async function val(
  Builder: BuilderClass,
  entries: unknown,
): Promise<{ folder: string; dataset: CaptionEvalDataset; datasets: Record<string, Splits> }> {
  const folder = temporaryFolder();
  for (const name of ['cat', 'dog']) mkdirSync(join(folder, 'images', name), { recursive: true });
  for (const name of IMAGES) writeFileSync(join(folder, 'images', name), 'bytes');
  writeFileSync(join(folder, 'val.json'), JSON.stringify(entries));
  const build_info = {
    annotations: { val: { storage: join(folder, 'val.json') } },
    images: { storage: join(folder, 'images') },
  };
  const built = await Builder.fromConfig({ build_info }).buildDatasets(['val']);
  return { folder, dataset: built.val as CaptionEvalDataset, datasets: { own: built } };
}

const check = (datasets: Record<string, Splits>, task = new CaptionTask(), maxBadSamples = 0) =>
  checkData({ task, datasets, evaluated: ['val'], maxBadSamples });

const says = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof DataError, String(error));
  assert.match(error.message, message);
  return true;
};

const entry = (image: string, more: object = {}) => ({ image, caption: [`a ${image}`], ...more });

const IDS: [what: string, entries: object[], ids: (number | string)[]][] = [
  ['the number in the name', [entry('cat/img_0.jpg'), entry('x_007.png')], [0, 7]],
  [
    'their paths where images of several folders share a name',
    [entry('cat/img_0.jpg'), entry('dog/img_0.jpg'), entry('dog/img_1.jpg')],
    ['cat/img_0.jpg', 'dog/img_0.jpg', 'dog/img_1.jpg'],
  ],
  [
    'their own image_id where they share a name',
    [entry('cat/img_0.jpg', { image_id: '04' }), entry('dog/img_0.jpg', { image_id: 'dog' })],
    [4, 'dog'],
  ],
  [
    'their paths where their own image_id is shared too',
    [entry('cat/img_0.jpg', { image_id: 1 }), entry('dog/img_0.jpg', { image_id: '01' })],
    ['cat/img_0.jpg', 'dog/img_0.jpg'],
  ],
];

for (const [what, entries, ids] of IDS) {
  test(`evaluated images have as ids ${what}, and so have their references`, async () => {
    const { dataset, datasets } = await val(CocoCaptionBuilder, entries);
    assert.deepEqual(
      dataset.records.map(({ image_id }) => image_id),
      ids,
    );
    assert.deepEqual(
      dataset.groundTruth()!.annotations.map(({ image_id, caption }) => [image_id, caption]),
      dataset.records.map(({ image_id, image }) => [image_id, `a ${image}`]),
    );
    await check(datasets);
  });
}

test('entries of one image are one sample with all its captions', async () => {
  const { dataset, datasets } = await val(CocoCaptionBuilder, [
    { image: 'cat/img_0.jpg', caption: 'a cat', image_id: 'cat/img_0.jpg' },
    { image: 'dog/img_0.jpg', caption: 'a dog', image_id: 'dog/img_0.jpg' },
    { image: 'cat/img_0.jpg', caption: 'the cat', image_id: 'cat/img_0.jpg' },
  ]);
  assert.deepEqual(
    dataset.groundTruth()!.annotations.map(({ image_id, caption }) => `${image_id}: ${caption}`),
    ['cat/img_0.jpg: a cat', 'cat/img_0.jpg: the cat', 'dog/img_0.jpg: a dog'],
  );
  assert.equal(dataset.length, 2);
  await check(datasets);
});

test('ids of nocaps that several images share are refused with the images, and whatever is scored', async () => {
  const { datasets } = await val(NoCapsBuilder, [
    entry('cat/img_0.jpg', { img_id: 3 }),
    entry('dog/img_0.jpg', { img_id: '03' }),
  ]);
  const message =
    /1 image id of nocaps val shared by several images[\s\S]*3 is the id of cat\/img_0\.jpg, dog\/img_0\.jpg/;
  await assert.rejects(check(datasets), says(message));
  await assert.rejects(check(datasets, new CaptionTask({}, false)), says(message));
});

const gt = (ids: unknown[], more: object = {}) => ({
  images: ids.map((id) => ({ id })),
  annotations: ids.map((image_id) => ({ image_id, caption: 'a' })),
  ...more,
});

/** A ground truth for images 0 and 7, as the bytes of a file. */
const BAD_TRUTH: [what: string, content: string | Buffer | undefined, message: RegExp][] = [
  ['that is not there', undefined, /the ground truth cannot be read[\s\S]*gt\.json[\s\S]*no such file/],
  ['that is empty', '', /not JSON[\s\S]*an empty file/],
  ['that is text', 'not json\n', /not JSON[\s\S]*gt\.json/],
  [
    'that was cut short',
    '{"images": [], "annotations": [{"image_id": 1, "capt',
    /gt\.json:1:53[\s\S]*the end of the file in the middle/,
  ],
  [
    'with NaN for an id',
    '{"annotations": [\n{"image_id": NaN, "caption": "NaN"}]}',
    /annotations\[0\]\.image_id\n.*found: +null/,
  ],
  ['of Python, not JSON', '{"annotations": None}', /gt\.json:1:17\n.*found: +None\n.*null/],
  ['of one object a line', '{"image_id": 0}\n{"image_id": 7}\n', /one JSON value a line/],
  [
    'in Latin-1',
    Buffer.from('{"annotations": [{"image_id": 0, "caption": "café"}]}', 'latin1'),
    /not text in UTF-8/,
  ],
  [
    'that is a list',
    '[{"image_id": 0, "caption": "x"}]',
    /no COCO caption file[\s\S]*a list of 1[\s\S]*without run\.annotation_file/,
  ],
  ['that is null', 'null', /no COCO caption file[\s\S]*null/],
  ['without annotations', '{"images": []}', /no COCO caption file[\s\S]*keys images/],
  [
    'whose captions are a list',
    JSON.stringify({ annotations: [{ image_id: 0, caption: ['a'] }] }),
    /annotations\[0\]\.caption[\s\S]*a list of 1/,
  ],
  ['with an id that is not one', JSON.stringify(gt([0, null])), /images\[1\]\.id/],
  [
    'of other images',
    JSON.stringify(gt([10, 11])),
    /2 of the 2 images of \w+ val are not in the ground truth[\s\S]*ids 0, 7[\s\S]*10, 11/,
  ],
  [
    'of some of the images',
    JSON.stringify(gt([0, 9])),
    /1 of the 2 images of \w+ val are not in the ground truth[\s\S]*ids 7/,
  ],
  [
    'with an image without a caption',
    JSON.stringify({ ...gt([0]), images: [{ id: 0 }, { id: 7 }] }),
    /1 image of \w+ val without a reference caption[\s\S]*ids 7/,
  ],
  [
    'whose images share an id',
    JSON.stringify(
      gt([0, 7], {
        images: [
          { id: 0, file_name: 'a' },
          { id: '0', file_name: 'b' },
        ],
      }),
    ),
    /1 id of several images each[\s\S]*found: +0/,
  ],
];

const GOOD_TRUTH: [what: string, content: string | Buffer][] = [
  ['with a byte order mark', `\uFEFF${JSON.stringify(gt([0, 7]))}`],
  ['in UTF-16', Buffer.from(`\uFEFF${JSON.stringify(gt([0, 7]))}`, 'utf16le')],
  ['with NaN where nobody looks', JSON.stringify(gt([0, 7], { score: 'NaN' })).replace('"NaN"', 'NaN')],
  ['whose ids are texts', JSON.stringify(gt(['0', '000000000007']))],
  ['of more images', JSON.stringify(gt([0, 7, 8]))],
  ['that lists an image twice', JSON.stringify(gt([0, 7], { images: [{ id: 0 }, { id: 7 }, { id: 0 }] }))],
];

const truthFile = (folder: string, content?: string | Buffer) => {
  const path = join(folder, 'gt.json');
  if (content !== undefined) writeFileSync(path, content);
  return path;
};

for (const [what, content, message] of BAD_TRUTH) {
  test(`ground truth ${what} is refused at the start as in an evaluation`, async () => {
    const { folder, datasets } = await val(CocoCaptionBuilder, [entry('cat/img_0.jpg'), entry('x_007.png')]);
    const task = new CaptionTask({}, true, truthFile(folder, content));
    await assert.rejects(check(datasets, task), says(message));
    await check(datasets, new CaptionTask({}, false, task.annotationFile)); // nothing is scored
    const context = {
      ...{ split: 'val', epoch: 0, resultDir: folder, writeLine: async () => {} },
      dataset: Object.values(datasets)[0].val as Dataset,
    };
    const results = [0, 7].map((image_id) => ({ image_id, caption: 'a' }));
    await assert.rejects(task.afterEvaluation(results, context), DataError);
  });
}

for (const [what, content] of GOOD_TRUTH) {
  test(`ground truth ${what} is taken at the start as in an evaluation`, async () => {
    const { folder, datasets } = await val(CocoCaptionBuilder, [entry('cat/img_0.jpg'), entry('x_007.png')]);
    const task = new CaptionTask({}, true, { val: truthFile(folder, content) });
    await check(datasets, task);
    const context = {
      ...{ split: 'val', epoch: 0, resultDir: folder, writeLine: async () => {} },
      dataset: Object.values(datasets)[0].val as Dataset,
    };
    const results = [0, 7].map((image_id) => ({ image_id, caption: 'a' }));
    assert.ok(await task.afterEvaluation(results, context));
  });
}

test('an evaluated image without a caption is told with its annotation', async () => {
  const { datasets } = await val(CocoCaptionBuilder, [
    entry('x_007.png'),
    { image: 'dog/img_1.jpg', caption: [] },
  ]);
  await assert.rejects(
    check(datasets),
    says(/1 image of coco_caption val without a reference[\s\S]*entry 1/),
  );
});

test('a split without any caption is evaluated without a score', async () => {
  const { datasets } = await val(CocoCaptionBuilder, [{ image: 'x_007.png' }]);
  await check(datasets);
});

test('every image is looked for; as many may be missing as a run may skip', async () => {
  const { folder, datasets } = await val(
    CocoCaptionBuilder,
    IMAGES.slice(1).map((image) => entry(image)),
  );
  for (const name of IMAGES.slice(2)) rmSync(join(folder, 'images', name));
  await assert.rejects(
    check(datasets),
    says(
      /2 samples cannot be read: an image is missing[\s\S]*img_1\.jpg\n.*entry 1[\s\S]*2 of coco_caption val[\s\S]*max_bad_samples=2/,
    ),
  );
  await assert.rejects(check(datasets, undefined, 1), DataError);
  await check(datasets, undefined, 2);
  mkdirSync(join(folder, 'images', 'x_007.png'));
  await assert.rejects(check(datasets, undefined, 1), DataError);
});

test('custom_caption tells images of one name apart, too', async () => {
  const { dataset, datasets } = await val(CustomCaptionBuilder, [
    entry('cat/img_0.jpg'),
    entry('dog/img_0.jpg'),
  ]);
  assert.deepEqual(
    dataset.records.map(({ image_id }) => image_id),
    ['cat/img_0.jpg', 'dog/img_0.jpg'],
  );
  await check(datasets);
});
