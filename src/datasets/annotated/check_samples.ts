import { readdir, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { DataError } from '../../common/errors.js';
import { counted } from '../../common/words.js';
import type { Dataset, IterableDataset, SampleFault } from '../types.js';
import { nearMiss } from './near_miss.js';

/**
 * What is wrong with a dataset's samples as far as that is known without decoding one: images that are not
 * there, and what the dataset itself knows of.
 */
export async function sampleFaults(dataset: Dataset | IterableDataset): Promise<SampleFault[]> {
  const faults = [...((await dataset.faults?.()) ?? [])];
  if ('iterable' in dataset) return faults;
  const there = new Folders();
  let looked = 0;
  for (const { file, folder, image, source } of dataset.sources?.() ?? []) {
    if (file === undefined || (await there.has(file))) continue;
    // Names that are wrong are mostly wrong alike: a few tell how.
    const near = folder !== undefined && looked++ < 5 ? nearMiss(folder, image) : undefined;
    faults.push({ what: 'an image is missing', where: `${file}\n${source}`, found: near?.found, file });
  }
  return faults;
}

/** @throws DataError for more faults than a run may skip; it lists the first few. */
export async function checkSamples(
  datasets: Iterable<Dataset | IterableDataset>,
  maxBadSamples: number,
): Promise<void> {
  const faults: SampleFault[] = [];
  const names: string[] = [];
  for (const dataset of datasets) {
    const own = await sampleFaults(dataset);
    if (own.length > 0) names.push(`${own.length} of ${dataset.name}`);
    faults.push(...own);
  }
  if (faults.length <= maxBadSamples) return;
  const [first] = faults;
  const kinds = new Set(faults.map(({ what }) => what));
  const headline = `${counted(faults.length, 'sample')} cannot be read: ${[...kinds].join(', ')}`;
  throw new DataError(faults.length === 1 ? first.what : headline, {
    where: faults
      .slice(0, 5)
      .map(({ where }) => where)
      .join('\n'),
    found: [faults.length > 1 ? names.join(', ') : '', first.found].filter(Boolean).join('\n'),
    help: `lavis data lists them; run.max_bad_samples=${faults.length} skips up to so many`,
  });
}

/** Knows which files are there; a folder is read once, not asked for each of its files. */
class Folders {
  readonly #names = new Map<string, Promise<Set<string>>>();

  async has(path: string): Promise<boolean> {
    const folder = dirname(path);
    let names = this.#names.get(folder);
    if (!names) this.#names.set(folder, (names = plainFiles(folder)));
    if ((await names).has(basename(path))) return true;
    // A link, or a file system that takes another spelling for the same name.
    return stat(path).then(
      (info) => info.isFile(),
      () => false,
    );
  }
}

async function plainFiles(folder: string): Promise<Set<string>> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return new Set(entries.filter((entry) => entry.isFile()).map(({ name }) => name));
}
