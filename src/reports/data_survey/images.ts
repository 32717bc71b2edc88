import { DataError, messageOf } from '../../common/errors.js';
import { Rng } from '../../common/random.js';
import { type Dataset, sampleFaults } from '../../datasets/index.js';
import { decodeImage } from '../../processors/index.js';
import { timedProgress } from '../../runners/index.js';

/** What became of a split's images. */
export interface ImageSurvey {
  /** Files, or samples where a dataset has no files. */
  count: number;
  /** How many were decoded. */
  read: number;
  missing: string[];
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
  const survey: ImageSurvey = { count: files.length, read: 0, missing, broken: [] };
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
async function surveySamples(dataset: Dataset, most: number): Promise<ImageSurvey> {
  const chosen = spread(
    Array.from({ length: dataset.length }, (_, i) => i),
    most,
  );
  const survey: ImageSurvey = { count: dataset.length, read: chosen.length, missing: [], broken: [] };
  for (const i of chosen) {
    await dataset.get(i, Rng.of(0, 'survey', i)).catch((thrown: unknown) => {
      if (!(thrown instanceof DataError)) throw thrown;
      survey.broken.push({ image: `sample ${i}`, why: reason(thrown) });
    });
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
