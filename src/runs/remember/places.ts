import { createHash } from 'node:crypto';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import { Rng } from '../../common/random.js';
import { formatBytes } from '../../common/words.js';
import { embedsPath } from '../../datasets/index.js';
import { hashProcessor, type ImageProcessor } from '../../processors/index.js';
import type { RememberedSplit } from './remembered_splits.js';
import { keptBytes, storeFolder } from './store.js';

/** A view of a picture, and where its embeddings belong. */
export interface ViewPlace {
  folder: string;
  picture: string;
  view: number;
  /** One of the files that have this picture. */
  file: string;
  processor: ImageProcessor;
}

/** A split, and the folder of its views. */
export interface KeptSplit extends RememberedSplit {
  folder: string;
}

/** Where a split's views lie that an encoder makes; one is all that a processor has that draws nothing. */
export async function keptSplit(encoder: string, split: RememberedSplit): Promise<KeptSplit> {
  const { processor, views, dataset } = split;
  // Some draws: what a random processor does now and then counts too.
  const draws: string[] = [];
  for (let draw = 0; draw < 4; draw++) {
    const hash = createHash('sha256');
    await hashProcessor(hash, processor, Rng.of(0, 'sample', draw));
    draws.push(hash.digest('hex'));
  }
  const alike = new Set(draws).size === 1;
  if (alike && views > 1) {
    log.warnOnce(`run.cache_views: the processor of ${dataset.name} draws nothing, all views are one`);
  }
  const key = createHash('sha256').update(encoder).update(draws.join()).digest('hex').slice(0, 16);
  return { ...split, views: alike ? 1 : views, folder: join(storeFolder(), key) };
}

/** All views of the splits' pictures, each once. */
export function viewPlaces(splits: readonly KeptSplit[], hashes: ReadonlyMap<string, string>): ViewPlace[] {
  const places = new Map<string, ViewPlace>();
  for (const { files, views, processor, folder } of splits) {
    for (const file of files) {
      const picture = hashes.get(file);
      if (picture === undefined) continue;
      for (let view = 0; view < views; view++) {
        const place = { folder, picture, view, file, processor };
        places.set(embedsPath(place), place);
      }
    }
  }
  return [...places.values()];
}

/** Bytes of a view's file: float16 numbers behind a short header. */
export const viewBytes = ([tokens, width]: readonly [number, number]): number => 2 * tokens * width + 250;

/**
 * @param missing views that are to be added; @param all views that the run needs
 * @throws ConfigError where they are more than `run.cache_limit_gb` allows, or than the disk has room for
 */
export async function checkRoom(
  missing: number,
  all: number,
  shape: readonly [number, number],
  limitGb: number,
): Promise<void> {
  if (missing === 0) return;
  const each = viewBytes(shape);
  const kept = await keptBytes();
  const others = Math.max(0, kept - (all - missing) * each);
  const needed = all * each + others;
  const { bavail, bsize } = await statfs(storeFolder());
  const free = bavail * bsize;
  const short = missing * each > free;
  if (needed <= limitGb * 1e9 && !short) return;
  const clear = others > 0 ? ['lavis cache --clear removes what is kept'] : [];
  throw new ConfigError(
    short
      ? 'remembered images take more room than the disk has'
      : 'remembered images take more room than run.cache_limit_gb allows',
    {
      where: storeFolder(),
      found: [
        `${formatBytes(all * each)} for ${all} views of images, ${formatBytes(each)} each; ${all - missing} are there`,
        ...(others > 0 ? [`${formatBytes(others)} that other runs kept`] : []),
      ].join('\n'),
      allowed: short ? `${formatBytes(free)}, which are free` : `${limitGb} GB`,
      help: [
        ...(short
          ? ['LAVIS_CACHE_ROOT=FOLDER on a larger disk']
          : [`run.cache_limit_gb=${Math.ceil(needed / 1e9)}`]),
        ...clear,
        'fewer run.cache_views, or run.cache_image_embeds=False',
      ].join('\n'),
    },
  );
}
