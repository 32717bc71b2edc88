import { DataError, messageOf } from '../../common/errors.js';
import { timedProgress } from '../../common/progress.js';
import { Rng } from '../../common/random.js';
import { type Dataset, type IterableDataset, type Sample, sampleFaults } from '../../datasets/index.js';
import { decodeImage } from '../../processors/index.js';

/** What became of a split's images. */
export interface ImageSurvey {
  /** Files, or samples where a dataset has no files. */
  count: number;
  /** How many were decoded. */
  read: number;
  missing: string[];
  /** A file that the first missing name may have meant. */
  near?: string;
  broken: { image: string; why: string }[];
  /** Smallest and largest, by area: '640x480'. */
  smallest?: string;
  largest?: string;
}

/** Looks for every image of a split, and decodes some, evenly spread. @param most how many are decoded */
export async function surveyImages(dataset: Dataset, most: number): Promise<ImageSurvey> {
  const sources = [...(dataset.sources?.() ?? [])];
  const files = [...new Set(sources.flatMap(({ file }) => file ?? []))];
  return files.length > 0 ? surveyFiles(dataset, files, most) : surveySamples(dataset, most);
}

async function surveyFiles(dataset: Dataset, files: readonly string[], most: number): Promise<ImageSurvey> {
  const faults = await sampleFaults(dataset);
  const missing = [...new Set(faults.flatMap(({ file }) => file ?? []))];
  const near = faults.find(({ file, found }) => file !== undefined && found !== undefined)?.found;
  const survey: ImageSurvey = { count: files.length, read: 0, missing, near, broken: [] };
  const gone = new Set(missing);
  const there = files.filter((file) => !gone.has(file));
  const sizes: { width: number; height: number }[] = [];
  const chosen = spread(there, most);
  const progress = timedProgress(`Reading ${dataset.name}`, chosen.length);
  for (const [i, image] of chosen.entries()) {
    try {
      const { width, height } = await decodeImage(image);
      sizes.push({ width, height });
    } catch (thrown) {
      survey.broken.push({ image, why: reason(thrown) });
    }
    progress(i + 1);
  }
  survey.read = chosen.length;
  sizes.sort((a, b) => a.width * a.height - b.width * b.height);
  const shown = (size?: { width: number; height: number }) => size && `${size.width}x${size.height}`;
  return { ...survey, smallest: shown(sizes[0]), largest: shown(sizes.at(-1)) };
}

/** A dataset without files of its own is read as training would. */
function surveySamples(dataset: Dataset, most: number): Promise<ImageSurvey> {
  const samples = Array.from({ length: dataset.length }, (_, i) => ({
    name: `sample ${i}`,
    read: () => dataset.get(i, Rng.of(0, 'survey', i)),
  }));
  return readSome(dataset.name, samples, most);
}

/** A stream is gone through once, and some of its samples are read. */
export async function surveyStream(dataset: IterableDataset, most: number): Promise<ImageSurvey> {
  const known = new Map((await dataset.faults?.())?.map(({ where, what }) => [where, what]));
  const samples: SomeSample[] = [];
  for await (const job of dataset.stream({ epoch: 0, seed: 0, rank: 0, worldSize: 1 })) {
    const { shard, key } = job.record;
    const name = shard === undefined ? `sample ${samples.length}` : `${shard}, ${key}`;
    if (!known.has(name)) samples.push({ name, read: () => dataset.read(job, Rng.of(0, 'survey', name)) });
  }
  const survey = await readSome(dataset.name, samples, most);
  const faults = [...known].map(([image, why]) => ({ image, why }));
  return { ...survey, count: survey.count + faults.length, broken: [...faults, ...survey.broken] };
}

interface SomeSample {
  name: string;
  read(): Promise<Sample>;
}

async function readSome(name: string, samples: readonly SomeSample[], most: number): Promise<ImageSurvey> {
  const chosen = spread(samples, most);
  const survey: ImageSurvey = { count: samples.length, read: chosen.length, missing: [], broken: [] };
  const progress = timedProgress(`Reading ${name}`, chosen.length);
  for (const [i, { name: image, read }] of chosen.entries()) {
    await read().catch((thrown: unknown) => {
      if (!(thrown instanceof DataError)) throw thrown;
      survey.broken.push({ image, why: reason(thrown) });
    });
    progress(i + 1);
  }
  return survey;
}

/** At most so many of the items, evenly spread. */
export function spread<T>(items: readonly T[], most: number): T[] {
  if (items.length <= most) return [...items];
  return Array.from({ length: most }, (_, i) => items[Math.floor((i * items.length) / most)]);
}

const reason = (thrown: unknown) =>
  (thrown instanceof DataError && thrown.details.found) || messageOf(thrown).split('\n')[0];
