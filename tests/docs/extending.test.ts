import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import sharp from 'sharp';
import { Config, openCheckpoint, registry, setupEngine } from '#src/index.js';
import { jobFolder, lavis } from '../end_to_end/lavis.js';
import { temporaryFolder } from '../support.js';
import { drawPhotos } from './photos.js';

const YAML = 'docs/examples/run.yaml';

describe("the examples of docs/extending.md, loaded by a YAML's plugins", () => {
  const folder = temporaryFolder();
  const photos = join(folder, 'photos');
  const options = [
    `datasets.text_beside.build_info.images.storage=${photos}`,
    `run.output_dir=${join(folder, 'output')}`,
  ];
  let job: string;
  let stdout: string;

  before(async () => {
    for (const [split, count] of [
      ['train', 8],
      ['val', 2],
      ['test', 3],
    ] as const) {
      mkdirSync(join(photos, split), { recursive: true });
      for (const { file, caption } of await drawPhotos(join(photos, split), count)) {
        writeFileSync(file.replace(/jpg$/, 'txt'), `${caption}\n`);
      }
    }
    const trained = await lavis('train', '--cfg-path', YAML, '--device', 'cpu', '--options', ...options);
    assert.equal(trained.code, 0, trained.stderr);
    stdout = trained.stdout;
    job = jobFolder(join(folder, 'output'));
  });

  it('the task adds its score, and chooses by CIDEr alone', () => {
    const different = Number(/different +([\d.]+)/.exec(stdout)?.[1]);
    assert.ok(different > 0 && different <= 1, stdout);
    const test = JSON.parse(readFileSync(join(job, 'log.txt'), 'utf8').trimEnd().split('\n').at(-1)!);
    assert.equal(test.test_agg_metrics, test.test_CIDEr);
  });

  it('the dataset finds photos and captions by their names', () => {
    const results = JSON.parse(readFileSync(join(job, 'result', 'test_epochbest.json'), 'utf8'));
    assert.deepEqual(results.map(({ image_id }: { image_id: string }) => image_id).sort(), [0, 1, 2]);
  });

  it('the hook writes a line for each evaluation, under the names of the scores', () => {
    const [head, ...rows] = readFileSync(join(job, 'scores.csv'), 'utf8').trimEnd().split('\n');
    assert.match(head, /^split,epoch,best,.*CIDEr/);
    assert.deepEqual(
      rows.map((row) => row.split(',').slice(0, 3).join()),
      ['val,0,true', 'test,best,false'],
    );
  });

  it('the model trains its decoder and last block, and leaves the rest as it was', async () => {
    const { model } = await Config.fromFile(YAML, options);
    await setupEngine({ device: 'cpu' });
    const before = await registry.getModelClass('frozen_eyes').fromConfig(model, { seed: 42 });
    const after = await openCheckpoint(join(job, 'checkpoint_best.pth'));
    const changed: string[] = [];
    for (const [name, variable] of before.stateDict()) {
      const { data } = await after.stateDict().get(name)!.read();
      if (variable.dataSync().some((value, i) => value !== data[i])) changed.push(name);
    }
    await after.close();
    const eyes = changed.filter((name) => name.startsWith('visual_encoder.'));
    assert.ok(eyes.length > 0);
    for (const name of eyes) assert.match(name, /^visual_encoder\.blocks\.3\./);
    assert.ok(changed.some((name) => name.startsWith('text_decoder.')));
  });

  it('the processor puts bars beside a picture that is no square, and refuses what it does not know', async () => {
    const letterbox = registry.getProcessorClass('letterbox');
    const processor = letterbox.fromConfig({ image_size: 8, mean: [0, 0, 0], std: [1, 1, 1], grey: 51 });
    const white = { data: new Uint8Array(8 * 4 * 3).fill(255), width: 8, height: 4 };
    const { data, shape } = (
      processor as { apply(image: object): { data: Float32Array; shape: number[] } }
    ).apply(white);
    assert.deepEqual(shape, [8, 8, 3]);
    assert.ok(Math.abs(data[0] - 0.2) < 1e-6 && data[8 * 3 * 2] === 1, String(data));
    assert.throws(() => letterbox.fromConfig({ gray: 3 }), /gray/);
  });
});

describe('the example of another kind: photos with a number each', () => {
  const folder = temporaryFolder();
  const photos = join(folder, 'photos');
  const options = [
    `datasets.rated_photos.build_info.images.storage=${photos}`,
    `run.output_dir=${join(folder, 'output')}`,
  ];
  const train = (...more: string[]) =>
    lavis(
      'train',
      '--cfg-path',
      'docs/examples/rate.yaml',
      '--device',
      'cpu',
      ...more,
      '--options',
      ...options,
    );

  before(async () => {
    mkdirSync(photos);
    for (const [split, count] of [
      ['train', 64],
      ['val', 16],
      ['test', 16],
    ] as const) {
      const rows: string[] = [];
      for (let i = 0; i < count; i++) {
        const rating = ((i * 37) % count) / count;
        const grey = Math.round(255 * rating);
        await sharp({
          create: { width: 40, height: 40, channels: 3, background: { r: grey, g: grey, b: grey } },
        })
          .png()
          .toFile(join(photos, `${split}${i}.png`));
        rows.push(`${split}${i}.png,${rating}`);
      }
      writeFileSync(join(photos, `${split}.csv`), `${rows.join('\n')}\n`);
    }
  });

  it('learns the number, far better than the mean of all would do', async () => {
    const { code, stdout, stderr } = await train();
    assert.equal(code, 0, stderr);
    const error = Number(/mean_error +([\d.]+)/.exec(stdout)?.[1]);
    assert.ok(error < 0.15, `${error}, where the mean alone is 0.25 off`);
    const report = readFileSync(join(jobFolder(join(folder, 'output')), 'report.html'), 'utf8');
    assert.match(report, /mean_error/);
  });

  it('is tried by a dry run, and trained by two workers', async () => {
    const dry = await train('--dry-run');
    assert.equal(dry.code, 0, dry.stderr);
    assert.match(dry.stdout, /parameters +3,104/);
    const two = await train('--nproc-per-node', '2', '--job-id', 'two');
    assert.equal(two.code, 0, two.stderr);
    assert.match(
      readFileSync(join(folder, 'output', 'two', 'evaluate.txt'), 'utf8'),
      /"test": *\{"mean_error"/,
    );
  });
});
