import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadPlugin } from '#src/config/index.js';
import { DataLoader, type Dataset } from '#src/datasets/index.js';
import { registry } from '#src/index.js';
import { temporaryFolder } from '../support.js';
import { collect } from './support.js';

const PLUGIN = `
import { appendFileSync } from 'node:fs';
import { collate, registry } from 'lavis';

/** Pictures of one grey each; the thirteenth has a fault of its own. */
class Greys {
  static defaultConfigs = {};
  static fromConfig(section) { return new Greys(section); }
  name = 'greys';
  constructor(section) { this.section = section; }
  reader() {
    return {
      section: this.section,
      async read({ i }, rng) {
        if (this.section.readings) appendFileSync(this.section.readings, 'x');
        if (i === this.section.exitsAt) process.exit(3);
        if (i === 13) throw new TypeError('thirteen is not a grey');
        const data = new Float32Array(3).fill(i + (this.section?.noise ?? 0) * rng.next());
        return { image: { data, shape: [1, 1, 3] }, text_input: 'grey ' + i, image_id: i };
      },
    };
  }
  async buildDatasets() {
    const reader = this.reader();
    const { length } = this.section;
    return { train: {
      name: 'greys train',
      length,
      get: (i, rng) => reader.read({ i }, rng),
      readers: { train: { builder: 'greys', section: this.section, split: 'train' } },
      job: (i) => ({ reader: 'train', record: { i } }),
      collate,
    } };
  }
}
registry.registerBuilder('greys')(Greys);
`;

async function greys(length: number, section = {}): Promise<{ dataset: Dataset; plugin: string }> {
  const plugin = `${temporaryFolder()}/greys.mjs`;
  writeFileSync(
    plugin,
    PLUGIN.replaceAll("'greys'", `'greys${length}'`).replace('"greys"', `"greys${length}"`),
  );
  await loadPlugin(plugin);
  const Builder = registry.getBuilderClass(`greys${length}`);
  const { train } = await Builder.fromConfig({ length, ...section }).buildDatasets();
  return { dataset: train as Dataset, plugin };
}

test("a user's own dataset is read in workers, which load its module too", async () => {
  const { dataset, plugin } = await greys(10);
  const loader = (numWorkers: number) =>
    new DataLoader({ dataset, batchSize: 4, shuffle: true, seed: 1, numWorkers, plugins: [plugin] });
  const alone = await collect(loader(0).epoch(0));
  const helped = loader(2);
  assert.deepEqual(await collect(helped.epoch(0)), alone);
  await helped.close();
});

test('workers read two batches ahead, and no more, while this thread is busy', async () => {
  const readings = `${temporaryFolder()}/readings`;
  const { dataset, plugin } = await greys(12 + 13 * 4, { readings });
  const sleep = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  const loader = new DataLoader({ dataset, batchSize: 4, numWorkers: 2, plugins: [plugin] });
  let seen = 0;
  for await (const _ of loader.epoch(0)) {
    // Nothing below lets go of the thread, as a training step does not.
    for (let waited = 0; readFileSync(readings).length < 12 && waited < 20_000; waited += 20) sleep(20);
    sleep(100);
    seen = readFileSync(readings).length;
    break;
  }
  assert.equal(seen, 12);
  await loader.close();
});

test('a fault in code that a worker runs ends the epoch with its message', async () => {
  const { dataset, plugin } = await greys(20);
  const loader = new DataLoader({
    dataset,
    batchSize: 4,
    numWorkers: 1,
    plugins: [plugin],
    maxBadSamples: 9,
  });
  await assert.rejects(collect(loader.epoch(0)), /thirteen is not a grey/);
  await loader.close();
});

test('code that would end the process ends the epoch with a message instead of a wait without end', async () => {
  const { dataset, plugin } = await greys(8, { exitsAt: 6 });
  const loader = new DataLoader({ dataset, batchSize: 4, numWorkers: 1, plugins: [plugin] });
  await assert.rejects(collect(loader.epoch(0)), /process\.exit\(3\) was called while a sample was read/);
  await loader.close();
});

test('a dataset that workers cannot rebuild is read here', async () => {
  const { dataset } = await greys(5);
  const { job: _, ...plain } = dataset;
  const loader = new DataLoader({ dataset: plain, batchSize: 5, numWorkers: 2 });
  const [batch] = await collect(loader.epoch(0));
  assert.deepEqual(batch.image_id, [0, 1, 2, 3, 4]);
});
