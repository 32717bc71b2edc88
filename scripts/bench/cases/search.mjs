/**
 * Seconds of `lavis search`, over small pictures and a tiny model, so that what is measured is everything but the
 * model:
 *
 *     node scripts/bench/index.mjs search --pictures 1000    of one picture of a folder that is indexed
 *     node scripts/bench/index.mjs search --kept 100000      of a query to an index of BLIP's width, 256, and of opening it
 *
 * Ends with one line of JSON, for scripts/bench/index.mjs.
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { Rng } from '../../../dist/common/random.js';
import { openIndex, registry, search, setupEngine } from '../../../dist/index.js';
import { FeatureStore } from '../../../dist/search/feature_store.js';
import { placeOf } from '../../../dist/search/image_index.js';
import { SHAPES_VOCAB, sizedSection } from '../lib/captioner.mjs';
import { peakGb } from '../lib/machine.mjs';
import { median } from '../lib/statistics.mjs';

const { values: args } = parseArgs({
  options: {
    pictures: { type: 'string' },
    kept: { type: 'string' },
    queries: { type: 'string', default: '20' },
  },
});
const IMAGE = 32;
const PER_FOLDER = 1000;
const nameOf = (n) => join(String(Math.floor(n / PER_FOLDER)), `${n}.png`);

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lavis-bench-')));
const photos = join(folder, 'photos');
process.env.LAVIS_CACHE_ROOT = join(folder, 'cache');
try {
  await setupEngine({ device: 'cpu' });
  const section = { ...sizedSection({ size: 'shapes', image: IMAGE, vocab: SHAPES_VOCAB }), embed_dim: 256 };
  const model = await registry.getModelClass('blip_feature_extractor').fromConfig(section);
  model.eval();
  const processor = registry.getProcessorClass('blip_image_eval').fromConfig({ image_size: IMAGE });
  const result = args.kept
    ? await asking(model, processor, Number(args.kept))
    : await indexing(model, processor, Number(args.pictures ?? 1000));
  console.log(JSON.stringify({ ...result, peakGb: peakGb() }));
} finally {
  rmSync(folder, { recursive: true });
}

async function indexing(model, processor, count) {
  for (let n = 0; n < count; n++) {
    if (n % PER_FOLDER === 0) mkdirSync(join(photos, String(n / PER_FOLDER)), { recursive: true });
    writeFileSync(join(photos, nameOf(n)), await picture(n));
  }
  let made;
  const times = await timesOf(async () => {
    ({ made } = await openIndex(model, processor, photos));
  });
  if (made !== count) throw new Error(`${made} of ${count} pictures were indexed`);
  return { seconds: times.seconds / count, processor: times.processor / count };
}

/** A picture like no other. */
function picture(n) {
  const rng = Rng.of(n, 'picture');
  const data = Uint8Array.from({ length: 4 * 4 * 3 }, () => rng.int(256));
  return sharp(data, { raw: { width: 4, height: 4, channels: 3 } })
    .resize(48, 48)
    .png()
    .toBuffer();
}

/** Files that are there, with features that were drawn: encoding 100,000 pictures is not what is measured. */
async function asking(model, processor, count) {
  const width = 256;
  for (let n = 0; n < count; n += PER_FOLDER)
    mkdirSync(join(photos, String(n / PER_FOLDER)), { recursive: true });
  const rng = Rng.of(1, 'features');
  const store = await FeatureStore.open(await placeOf(photos, { model, processor }), {
    about: photos,
    width,
  });
  for (let at = 0; at < count; at += PER_FOLDER) {
    const entries = Array.from({ length: Math.min(PER_FOLDER, count - at) }, (_, i) => {
      const path = nameOf(at + i);
      writeFileSync(join(photos, path), '');
      const { size, mtimeMs: mtime } = statSync(join(photos, path));
      return { path, size, mtime, hash: (at + i).toString(16).padStart(32, '0') };
    });
    const features = Float32Array.from({ length: entries.length * width }, () => rng.next() - 0.5);
    await store.add(entries, features);
  }
  const parts = {
    'opening, with a look at every file': await timesOf(() => openIndex(model, processor, photos)),
    opening: await timesOf(() => openIndex(model, processor, photos, { update: false })),
  };
  const index = await openIndex(model, processor, photos);
  if (index.made > 0 || index.paths.length !== count) throw new Error('the index was not used');
  const queries = [];
  for (let i = 0; i < Number(args.queries); i++) {
    queries.push(await timesOf(() => search(index, { text: `a red circle ${i}` }, { top: 12 })));
  }
  const middle = (key) => median(queries.slice(1).map((times) => times[key]));
  parts['a query'] = { seconds: middle('seconds'), processor: middle('processor') };
  return { parts };
}

/** Seconds by the clock and of the processor, in all threads. */
async function timesOf(work) {
  const [start, cpuStart] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(cpuStart);
  return { seconds: (performance.now() - start) / 1000, processor: (user + system) / 1e6 };
}
