import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { packageRoot } from '#src/common/paths.js';
import { setupEngine, tf } from '#src/engine/index.js';
import { BlipFeatureExtractor } from '#src/models/index.js';
import { BlipImageEvalProcessor } from '#src/processors/index.js';
import { type ImageIndex, openIndex, search } from '#src/search/index.js';
import { familyModel, familySection, weightsFile } from '../models/family.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();
process.env.LAVIS_CACHE_ROOT = join(folder, 'cache');
const processor = new BlipImageEvalProcessor({ imageSize: 32 });

/** A picture that differs from those of other numbers. */
const picture = (n: number) =>
  sharp(
    Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => (n * 61 + i * (n + 3)) % 256),
    { raw: { width: 16, height: 16, channels: 3 } },
  )
    .png()
    .toBuffer();

async function draw(at: string, numbers: readonly number[]): Promise<void> {
  mkdirSync(at, { recursive: true });
  for (const n of numbers) writeFileSync(join(at, `${n}.png`), await picture(n));
}

/** The features of each path. */
const featuresOf = ({ paths, rows, features, width }: ImageIndex) =>
  new Map(paths.map((path, i) => [path, [...features.slice(rows[i] * width, (rows[i] + 1) * width)]]));

/** What a batch of another size may round otherwise. */
function assertAlike(actual: Map<string, number[]>, expected: Map<string, number[]>, what?: string): void {
  assert.deepEqual([...actual.keys()], [...expected.keys()], what);
  for (const [path, values] of expected) {
    for (const [i, value] of values.entries()) {
      assert.ok(Math.abs(actual.get(path)![i] - value) < 1e-6, `${path} ${what ?? ''}`);
    }
  }
}

const journalOf = (name: string) => {
  const kept = join(folder, 'cache', 'search');
  const place = join(kept, readdirSync(kept).find((one) => one.startsWith(`${name}-`))!);
  return join(place, readdirSync(place)[0], 'files.jsonl');
};

describe('the index of a folder', () => {
  let model: BlipFeatureExtractor;
  before(async () => {
    await setupEngine({ device: 'cpu' });
    model = (await familyModel(BlipFeatureExtractor, 'tiny_features')).eval();
  });
  after(() => model.dispose());

  const open = async (name: string, options = {}) => {
    const broken: string[] = [];
    const index = await openIndex(model, processor, join(folder, name), {
      batchSize: 2,
      onBroken: (path, reason) => broken.push(`${path}: ${reason}`),
      ...options,
    });
    return { index, broken };
  };

  it('makes features once, and those of new and changed images alone', async () => {
    const photos = join(folder, 'photos');
    await draw(photos, [0, 1, 2, 3]);
    await draw(join(photos, 'deep'), [4]);
    const first = (await open('photos')).index;
    assert.equal(first.made, 5);
    assert.deepEqual(first.paths, ['0.png', '1.png', '2.png', '3.png', join('deep', '4.png')].sort());
    assert.equal((await open('photos')).index.made, 0);

    await draw(photos, [5]);
    writeFileSync(join(photos, '0.png'), await picture(9)); // changed
    utimesSync(join(photos, '1.png'), 1e9, 1e9); // touched, the same bytes
    renameSync(join(photos, '2.png'), join(photos, 'moved.png'));
    rmSync(join(photos, '3.png'));
    copyFileSync(join(photos, 'deep', '4.png'), join(photos, 'copy.png'));
    const second = (await open('photos')).index;
    assert.equal(second.made, 2);
    const [before, now] = [featuresOf(first), featuresOf(second)];
    assert.deepEqual([...now.keys()], ['0.png', '1.png', '5.png', 'copy.png', 'deep/4.png', 'moved.png']);
    assert.deepEqual(now.get('moved.png'), before.get('2.png'));
    assert.deepEqual(now.get('copy.png'), before.get('deep/4.png'));
    assert.deepEqual(now.get('1.png'), before.get('1.png'));
    assert.notDeepEqual(now.get('0.png'), before.get('0.png'));
    const kept = (await open('photos', { update: false })).index;
    assert.deepEqual(featuresOf(kept), now);
  });

  it('finds by image, by text and by both, the best first', async () => {
    const { index } = await open('photos');
    const image = join(folder, 'photos', '5.png');
    const [found] = await search(index, { image }, { top: 1 });
    assert.equal(found.path, image);
    assert.ok(Math.abs(found.score - 1) < 1e-5);
    const all = await search(index, { text: 'a cat' });
    assert.deepEqual(
      all.map(({ score }) => score),
      all.map(({ score }) => score).toSorted((a, b) => b - a),
    );
    const byImage = new Map((await search(index, { image })).map(({ path, score }) => [path, score]));
    const byText = new Map(all.map(({ path, score }) => [path, score]));
    for (const { path, score } of await search(index, { image, text: 'a cat', imageWeight: 0.3 })) {
      assert.ok(Math.abs(score - (0.3 * byImage.get(path)! + 0.7 * byText.get(path)!)) < 1e-5);
    }
    const tensors = tf.memory().numTensors;
    await search(index, { image, text: 'a cat' });
    assert.equal(tf.memory().numTensors, tensors);
    await assert.rejects(search(index, {}), RangeError);
    await assert.rejects(search(index, { text: 'a' }, { top: 0 }), RangeError);
    await assert.rejects(search(index, { text: 'a', image, imageWeight: 2 }), RangeError);
    await assert.rejects(search(index, { image }, { rerank: 3 }), RangeError);
  });

  it('names broken images every time, and reads them once', async () => {
    const mixed = join(folder, 'mixed');
    await draw(mixed, [0, 1]);
    writeFileSync(join(mixed, 'notes.jpg'), 'no image');
    writeFileSync(join(mixed, 'cut.png'), (await picture(7)).subarray(0, 60));
    for (const made of [2, 0]) {
      const { index, broken } = await open('mixed');
      assert.equal(index.made, made);
      assert.deepEqual(index.paths, ['0.png', '1.png']);
      assert.equal(broken.length, 2);
      assert.match(broken.join('\n'), /mixed\/notes\.jpg: an image cannot be decoded/);
    }
    writeFileSync(join(mixed, 'cut.png'), await picture(7));
    const { index, broken } = await open('mixed');
    assert.deepEqual([index.made, index.paths.length, broken.length], [1, 3, 1]);
  });

  it('has another place for other weights and another processor', async () => {
    const other = (await familyModel(BlipFeatureExtractor, 'tiny_features')).eval();
    const weights = [...other.stateDict()].find(([name]) => name === 'vision_proj.bias')![1];
    tf.tidy(() => weights.assign(weights.add(0.01)));
    assert.equal((await openIndex(other, processor, join(folder, 'photos'))).made, 6 - 1);
    const text = [...model.stateDict()].find(([name]) => name === 'text_proj.bias')![1];
    tf.tidy(() => text.assign(text.add(0.01))); // has no part in an image's features
    assert.equal((await open('photos')).index.made, 0);
    const dark = new BlipImageEvalProcessor({ imageSize: 32, mean: [0.9, 0.9, 0.9] });
    assert.equal((await openIndex(model, dark, join(folder, 'photos'))).made, 5);
    other.dispose();
  });

  it('uses what is whole of files that a kill or a power cut left', async () => {
    await draw(join(folder, 'torn'), [0, 1, 2, 3, 4, 5]);
    const whole = featuresOf((await open('torn')).index);
    const journal = journalOf('torn');
    const rows = join(journal, '..', 'rows-0.f32');
    const damages: [what: string, damage: () => void, made: number][] = [
      ['half a line', () => truncateSync(journal, statSync(journal).size - 20), 1],
      ['half a row behind', () => appendFileSync(rows, 'xyz'), 0],
      ['a row lost', () => truncateSync(rows, statSync(rows).size - 4), 1],
      ['rows that no line names', () => appendFileSync(rows, Buffer.alloc(3 * 16 * 4)), 0],
      ['a line of nothing', () => appendFileSync(journal, '\0\0\0\n'), 0],
      ['the rows gone', () => rmSync(rows), 6],
      ['the journal gone', () => rmSync(journal), 6],
    ];
    for (const [what, damage, made] of damages) {
      damage();
      const { index } = await open('torn');
      assertAlike(featuresOf(index), whole, what);
      assert.equal(index.made, made, what);
    }
  });

  it('is written anew once most of it is of files that have gone', async () => {
    const changing = join(folder, 'changing');
    await draw(changing, [0, 1]);
    await open('changing');
    for (let round = 0; round < 3; round++) {
      writeFileSync(join(changing, '0.png'), await picture(20 + round));
      writeFileSync(join(changing, '1.png'), await picture(40 + round));
      const { index } = await open('changing');
      assert.equal(index.made, 2);
      const folderOf = join(journalOf('changing'), '..');
      const files = readdirSync(folderOf).filter((name) => name.endsWith('.f32'));
      assert.equal(files.length, 1);
      assert.ok(statSync(join(folderOf, files[0])).size <= 4 * 16 * 4, `${round}`);
      const fresh = featuresOf(await openIndex(model, processor, changing, { update: false }));
      assert.deepEqual(fresh, featuresOf(index));
    }
    assert.ok(existsSync(join(journalOf('changing'), '..', 'rows-1.f32')));
  });

  it('goes on where a killed process was', { timeout: 120_000 }, async () => {
    const many = join(folder, 'many');
    await draw(
      many,
      Array.from({ length: 60 }, (_, i) => i),
    );
    const script = join(folder, 'index.mjs');
    const at = (name: string) =>
      JSON.stringify(pathToFileURL(join(packageRoot, 'dist', name, 'index.js')).href);
    writeFileSync(
      script,
      `import { setupEngine } from ${at('engine')};
import { BlipFeatureExtractor } from ${at('models')};
import { BlipImageEvalProcessor } from ${at('processors')};
import { openIndex } from ${at('search')};
await setupEngine({ device: 'cpu' });
const model = await BlipFeatureExtractor.fromConfig(${JSON.stringify(familySection('tiny_features'))});
await model.loadCheckpoint(${JSON.stringify(weightsFile('tiny_features'))});
const processor = new BlipImageEvalProcessor({ imageSize: 32 });
let last = 0;
await openIndex(model.eval(), processor, ${JSON.stringify(many)}, {
  batchSize: 1,
  onProgress(done) {
    // As slow as a real model, so that there is something to kill.
    for (const end = Date.now() + 100; Date.now() < end; );
    console.log(last = done);
  },
});
`,
    );
    const child = spawn(process.execPath, [script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: process.env,
    });
    let done = 0;
    for await (const text of child.stdout) {
      done = Number(String(text).trim().split('\n').at(-1));
      if (done >= 25) child.kill('SIGKILL');
    }
    assert.ok(done >= 25 && done < 60, `${done}`);
    const { index } = await open('many');
    assert.equal(index.paths.length, 60);
    assert.ok(index.made < 60 - 10 && index.made >= 60 - done - 1, `${index.made} after ${done}`);
    const alone = await openIndex(model, new BlipImageEvalProcessor({ imageSize: 32 }), many, {
      update: false,
    });
    assert.deepEqual(featuresOf(alone), featuresOf(index));
    const text = readFileSync(journalOf('many'), 'utf8');
    assert.equal(text.trimEnd().split('\n').length, 61);
  });
});
