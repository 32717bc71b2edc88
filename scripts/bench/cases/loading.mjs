/**
 * Images a second that a loader delivers, from JPEG files to batches [B, 384, 384, 3]:
 *
 *     node scripts/bench/index.mjs loading --split train --workers 2 [--images 400] [--busy]
 *
 * The consumer takes each batch at once. With `--busy` another process multiplies matrices on all cores
 * meanwhile, as a training step does. Ends with one line of JSON, for scripts/bench/index.mjs.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DataLoader, batchSize as sizeOf } from '../../../dist/datasets/index.js';
import { registry } from '../../../dist/index.js';
import { peakGb } from '../lib/machine.mjs';
import { photoDataset } from '../lib/photos.mjs';

const { values: args } = parseArgs({
  options: {
    split: { type: 'string', default: 'train' },
    workers: { type: 'string', default: '2' },
    images: { type: 'string', default: '400' },
    image: { type: 'string', default: '384' },
    batch: { type: 'string', default: '4' },
    photos: { type: 'string', default: '32' },
    busy: { type: 'boolean', default: false },
  },
});
const [wanted, image, batchSize, count, numWorkers] = [
  args.images,
  args.image,
  args.batch,
  args.photos,
  args.workers,
].map(Number);

/** A process that keeps all cores at products, once it has begun. */
async function startProducts() {
  const script = fileURLToPath(new URL('engine.mjs', import.meta.url));
  const products = spawn(process.execPath, [script, '--busy'], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(products.stdout, 'data');
  return products;
}

/** Seconds for `images` images, and the processor time that they took in all threads. */
async function measure(loader, images) {
  let [epoch, done] = [0, 0];
  let [start, cpuStart] = [0, process.cpuUsage()];
  for (;;) {
    for await (const batch of loader.epoch(epoch++)) {
      // The first batches start workers and fill what is read ahead.
      if (start === 0 && epoch > 1) [start, cpuStart] = [performance.now(), process.cpuUsage()];
      else if (start > 0) done += sizeOf(batch);
      if (done < images) continue;
      const { user, system } = process.cpuUsage(cpuStart);
      return { seconds: (performance.now() - start) / 1000, processor: (user + system) / 1e6, images: done };
    }
  }
}

const folder = mkdtempSync(join(tmpdir(), 'lavis-bench-'));
let products;
try {
  const section = await photoDataset(folder, { count, image });
  const datasets = await registry.getBuilderClass('custom_caption').fromConfig(section).buildDatasets();
  const loader = new DataLoader({ dataset: datasets[args.split], batchSize, shuffle: true, numWorkers });
  if (args.busy) products = await startProducts();
  const { seconds, processor, images } = await measure(loader, wanted);
  await loader.close();
  const result = { seconds: seconds / images, processor: processor / images, peakGb: peakGb() };
  console.log(
    `${args.split}, ${numWorkers} workers${args.busy ? ', cores busy' : ''}: ${(images / seconds).toFixed(1)} images a second, ${(1000 * result.processor).toFixed(2)} ms of processor time an image`,
  );
  console.log(JSON.stringify(result));
} finally {
  products?.kill();
  rmSync(folder, { recursive: true });
}
