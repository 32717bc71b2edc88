import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Rng } from '#src/common/random.js';
import { Config } from '#src/config/index.js';
import { type CaptionEvalDataset, type Dataset, datasetZoo, loadDataset } from '#src/datasets/index.js';
import { ConfigError, registry } from '#src/index.js';
import { temporaryFolder } from '../support.js';
import { imageOf, tinyCoco } from './support.js';

test('the zoo lists every dataset with its types', () => {
  const zoo = datasetZoo();
  const named = 'coco_caption custom_caption flickr30k_caption nocaps sbu_caption shapes_caption vg_caption';
  for (const name of [...named.split(' '), 'conceptual_caption_3m', 'conceptual_caption_12m']) {
    assert.deepEqual(zoo[name], ['default'], name);
  }
});

test('every default configuration names its dataset, and passes the check of its keys', async () => {
  const folder = temporaryFolder();
  for (const name of Object.keys(datasetZoo())) {
    const path = `${folder}/${name}.yaml`;
    const type = name.startsWith('shapes_') ? 'shapes' : 'base_coco';
    writeFileSync(
      path,
      `model: {arch: blip_caption, model_type: ${type}}\ndatasets: {${name}: {}}\nrun: {task: captioning}\n`,
    );
    const config = await Config.fromFile(path, [], { check: {} });
    assert.ok((config.datasets as Record<string, { build_info?: object }>)[name].build_info, name);
  }
});

test('an unknown key of build_info is told with the nearest one', async () => {
  const path = `${temporaryFolder()}/run.yaml`;
  writeFileSync(
    path,
    'model: {arch: blip_caption, model_type: base_coco}\ndatasets: {shapes_caption: {}}\nrun: {task: captioning}\n',
  );
  const option = 'datasets.shapes_caption.build_info.scenes.sede=1';
  await assert.rejects(Config.fromFile(path, [option], { check: {} }), /did you mean 'seed'/);
});

test('vg_caption needs no image ids; nocaps takes its own', async () => {
  const coco = await tinyCoco(2);
  const images = { storage: coco.path('images') };
  const write = (name: string, value: unknown) => writeFileSync(coco.path(name), JSON.stringify(value));
  write('pairs.json', [{ image: 'COCO_000000.jpg', caption: 'A thing' }]);
  write('nocaps.json', [{ image: 'COCO_000001.jpg', img_id: '77' }]);
  const build = (name: string, annotations: object) =>
    registry.getBuilderClass(name).fromConfig({ build_info: { annotations, images } }).buildDatasets();
  const { train } = await build('vg_caption', { train: { storage: coco.path('pairs.json') } });
  assert.deepEqual(Object.keys(await (train as Dataset).get(0, Rng.of(0))), ['image', 'text_input']);
  const { val, ...rest } = await build('nocaps', {
    train: { storage: coco.path('pairs.json') },
    val: { storage: coco.path('nocaps.json') },
  });
  assert.deepEqual(rest, {});
  const evaluated = val as CaptionEvalDataset;
  assert.equal((await evaluated.get(0, Rng.of(0))).image_id, 77);
  assert.equal(evaluated.groundTruth(), undefined);
});

test('loadDataset takes the default configuration, or another, and an image folder', async () => {
  const coco = await tinyCoco(2);
  const annotations = (split: string) => `${split}: {storage: ${coco.path('val.json')}}`;
  writeFileSync(
    coco.path('d.yaml'),
    `datasets: {coco_caption: {build_info: {annotations: {${annotations('val')}}, images: {storage: /nowhere}}}}`,
  );
  const { val } = await loadDataset('coco_caption', {
    cfgPath: coco.path('d.yaml'),
    visPath: coco.path('images'),
  });
  const sample = await (val as Dataset).get(0, Rng.of(0));
  // no processor: the picture as it is
  assert.deepEqual(imageOf(sample).shape, [20, 24, 3]);
  await assert.rejects(loadDataset('coco_captoin'), /did you mean 'coco_caption'/);
  await assert.rejects(
    loadDataset('coco_caption', { type: 'other' }),
    (error) => error instanceof ConfigError && /allowed: +default/.test(error.message),
  );
});

test('every file under configs/datasets belongs to a builder', () => {
  const files = readdirSync('configs/datasets', { recursive: true })
    .map(String)
    .filter((f) => f.endsWith('.yaml'));
  const used = registry
    .listDatasets()
    .flatMap((name) => Object.values(registry.getBuilderClass(name).defaultConfigs));
  assert.deepEqual(files.map((file) => `configs/datasets/${file}`).sort(), used.sort());
  for (const file of used) assert.match(readFileSync(file, 'utf8'), /^#/, `${file} says what it is`);
});
