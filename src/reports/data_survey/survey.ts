import type { Config } from '../../config/index.js';
import type { Dataset } from '../../datasets/index.js';
import { imageProcessorOf, sideOf } from '../../processors/index.js';
import type { DatasetsBySplit } from '../../runners/index.js';
import { buildDataset, datasetNames, usedSplits } from '../../tasks/index.js';
import { surveyCaptions, type TextLimit, textLimit } from './captions.js';
import { type SheetPart, sheetPart } from './contact_sheet.js';
import type { SplitSurvey } from './describe.js';
import { surveyIds } from './ids.js';
import { surveyImages, surveyStream } from './images.js';

/** What the data of a run is like. */
export interface DataSurvey {
  /** Every split that the run reads. */
  splits: SplitSurvey[];
  /** Some samples of each, as the model will see them; streams have none. */
  sheet: SheetPart[];
  /** Most tokens of a text that the model takes; undefined where that could not be found out. */
  mostTokens?: number;
  datasets: DatasetsBySplit;
}

/**
 * Looks at the data of a run, as training would read it.
 * @param images how many of a split are decoded, evenly spread; all are looked for
 * @throws LavisError where a dataset cannot be made
 */
export async function surveyData(config: Config, { images }: { images: number }): Promise<DataSurvey> {
  const limit = await textLimit(config);
  const found: DataSurvey = { splits: [], sheet: [], mostTokens: limit?.most, datasets: {} };
  for (const name of datasetNames(config)) {
    const splits = await buildDataset(config, name, usedSplits(config, { training: true }));
    found.datasets[name] = splits;
    for (const [split, dataset] of Object.entries(splits)) {
      if (!dataset) continue;
      if ('iterable' in dataset) {
        const { name, samplesPerEpoch: samples } = dataset;
        found.splits.push({
          name,
          split,
          samples,
          stream: true,
          images: await surveyStream(dataset, images),
        });
        continue;
      }
      found.splits.push(await surveySplit(config, { name, dataset, split }, limit, images));
      found.sheet.push(await partOf(config, name, dataset, split));
    }
  }
  noteLeaks(found.splits);
  return found;
}

async function surveySplit(
  config: Config,
  { name, dataset, split }: { name: string; dataset: Dataset; split: string },
  limit: TextLimit | undefined,
  mostImages: number,
): Promise<SplitSurvey> {
  return {
    name: dataset.name,
    split,
    samples: dataset.length,
    captions: surveyCaptions(dataset, ownerOf(config, name), limit),
    images: await surveyImages(dataset, mostImages),
    ids: split === 'train' ? undefined : await surveyIds(dataset, split, config),
    files: new Set([...(dataset.sources?.() ?? [])].flatMap(({ file }) => file ?? [])),
  };
}

function partOf(config: Config, name: string, dataset: Dataset, split: string): Promise<SheetPart> {
  const processor = imageProcessorOf(ownerOf(config, name), sideOf(split));
  const seed = typeof config.run.seed === 'number' ? config.run.seed : 42;
  return sheetPart(dataset, processor, split === 'train' ? 18 : 6, seed);
}

const ownerOf = (config: Config, name: string) => ({
  name: `datasets.${name}`,
  section: config.datasets[name],
});

/** An image that is trained on and scored makes the score mean nothing. */
function noteLeaks(surveys: SplitSurvey[]): void {
  const trained = surveys.filter(({ split }) => split === 'train').flatMap(({ files }) => [...(files ?? [])]);
  const known = new Set(trained);
  for (const one of surveys) {
    if (one.split === 'train') continue;
    one.trainedToo = [...(one.files ?? [])].filter((file) => known.has(file));
  }
}
