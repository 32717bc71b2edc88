import { resolve } from 'node:path';
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
    'new-words': {
      type: 'string',
      requiresArg: true,
      describe: 'Write words that the vocabulary lacks into a file, for model.added_words',
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
    const { describeSplit, drawSheet, faultsOf, newWords, surveyData } = await import('../reports/index.js');
    const { checkSplits, runSettings } = await import('../runners/index.js');
    const config = await loadConfig(args);
    const { splits, sheet, mostTokens, datasets } = await surveyData(config, args);
    if (args.json) {
      const shown = splits.map(({ files: _, ...rest }) => rest);
      console.log(JSON.stringify(shown, null, 2));
    } else console.log(splits.map((one) => describeSplit(one, mostTokens)).join('\n\n'));
    if (sheet.length > 0) {
      await drawSheet(sheet, args.sheet);
      if (!args.json) console.log(`\nThe contact sheet is ${resolve(args.sheet)}`);
    }
    if (args['new-words'] !== undefined) {
      const { writeFileAtomic } = await import('../common/files.js');
      const words = await newWords(config, datasets);
      await writeFileAtomic(args['new-words'], words.map((word) => `${word}\n`).join(''));
      if (!args.json) console.log(`${args['new-words']}: ${words.length} words; model.added_words takes it`);
    }
    checkSplits(datasets, runSettings(config));
    return splits.some((one) => faultsOf(one) > 0) ? 1 : 0;
  },
});
