import { resolve } from 'node:path';
import type { Config } from '../config/index.js';
import type { Dataset } from '../datasets/index.js';
import { imageProcessorOf, sideOf } from '../processors/index.js';
import {
  describeSplit,
  drawSheet,
  faultsOf,
  type SheetPart,
  type SplitSurvey,
  sheetPart,
  surveyCaptions,
  surveyIds,
  surveyImages,
  surveyStream,
  type TextLimit,
  textLimit,
} from '../reports/index.js';
import { checkSplits, type DatasetsBySplit, runSettings } from '../runners/index.js';
import { buildDataset, datasetNames, usedSplits } from '../tasks/index.js';
import { defineCommand } from './command.js';
import { configOptions, loadConfig } from './config_options.js';

export const data = defineCommand({
  options: {
    ...configOptions,
    images: {
      type: 'number',
      requiresArg: true,
      default: 1000,
      describe: 'How many images of a split are decoded, evenly spread; all are looked for',
    },
    sheet: {
      type: 'string',
      requiresArg: true,
      default: 'contact_sheet.png',
      describe: 'Where the contact sheet is drawn',
    },
    json: { type: 'boolean', default: false, describe: 'Print JSON' },
  },
  examples: [
    ['lavis data --cfg-path projects/blip/train/caption_shapes.yaml', 'and look at contact_sheet.png'],
    [
      'lavis data --cfg-path projects/blip/train/caption_coco_ft.yaml --images 1000000',
      'decodes every image: half an hour for COCO',
    ],
  ],
  epilogue:
    'The exit code is 1 where images are missing or broken, captions have no word, ids do not go with the ' +
    'ground truth, or a split of the run has no dataset. ' +
    'Truncated captions are cut at model.max_txt_len tokens in training.',
  async handler(args) {
    const config = await loadConfig(args);
    const limit = await textLimit(config);
    const parts: SheetPart[] = [];
    const surveys: SplitSurvey[] = [];
    const datasets: DatasetsBySplit = {};
    for (const name of datasetNames(config)) {
      const splits = await buildDataset(config, name, usedSplits(config, { training: true }));
      datasets[name] = splits;
      for (const [split, dataset] of Object.entries(splits)) {
        if (!dataset) continue;
        if ('iterable' in dataset) {
          const images = await surveyStream(dataset, args.images);
          surveys.push({ name: dataset.name, split, samples: dataset.samplesPerEpoch, stream: true, images });
          continue;
        }
        surveys.push(await survey(config, { name, dataset, split }, limit, args.images));
        parts.push(await partOf(config, name, dataset, split));
      }
    }
    noteLeaks(surveys);
    if (args.json)
      console.log(
        JSON.stringify(
          surveys.map(({ files: _, ...rest }) => rest),
          null,
          2,
        ),
      );
    else console.log(surveys.map((one) => describeSplit(one, limit?.most)).join('\n\n'));
    if (parts.length > 0) {
      await drawSheet(parts, args.sheet);
      if (!args.json) console.log(`\nThe contact sheet is ${resolve(args.sheet)}`);
    }
    checkSplits(datasets, runSettings(config));
    return surveys.some((one) => faultsOf(one) > 0) ? 1 : 0;
  },
});

async function survey(
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
