import { tmpdir } from 'node:os';
import { basename, join, relative, resolve } from 'node:path';
import { makeFolderInside } from '../common/files.js';
import { sevenDigits } from '../common/json.js';
import { log } from '../common/logging.js';
import { openFile } from '../common/open_file.js';
import type { SheetCell } from '../reports/index.js';
import type { Found } from '../search/index.js';
import { defineCommand, UsageError } from './command.js';
import { imageOptions } from './image_options.js';
import { modelOptions, modelSource } from './model_options.js';
import { formatOption, type ResultForm, ResultOutput } from './result_output.js';

interface Result {
  image: string;
  score: number;
  probability?: number;
}

/** @param reranked whether results have probabilities */
const formOf = (reranked: boolean): ResultForm<Result> => ({
  columns: ['image', 'score', ...(reranked ? ['probability'] : [])],
  rows: ({ image, score, probability }) => [[image, score, ...(reranked ? [probability ?? ''] : [])]],
  lines: (result) => [`${scoresOf(result)}  ${result.image}`],
});

const scoresOf = ({ score, probability }: Omit<Result, 'image'>) =>
  probability === undefined ? score.toFixed(4) : `${(100 * probability).toFixed(2)} %  ${score.toFixed(4)}`;

export const search = defineCommand({
  options: {
    ...modelOptions('blip_image_text_matching', 'base'),
    image: {
      type: 'string',
      requiresArg: true,
      describe: 'Find images like this one (a file or URL); with a text too, like both',
    },
    'image-weight': {
      type: 'string',
      requiresArg: true,
      defaultDescription: '0.5',
      describe: 'What --image counts beside the text, from 0 to 1',
    },
    top: { type: 'number', default: 12, requiresArg: true, describe: 'Results at most' },
    rerank: {
      type: 'number',
      requiresArg: true,
      describe: 'Read the text beside so many of the best, and put these in the order of their probabilities',
    },
    update: {
      type: 'boolean',
      default: true,
      describe: 'Look for new and changed images first; --update=false answers from what is kept',
    },
    recursive: imageOptions.recursive,
    'batch-size': { ...imageOptions['batch-size'], default: 16 },
    format: {
      ...formatOption,
      describe: 'jsonl: a line of JSON for each result; json: one list; csv: a table',
    },
    sheet: { type: 'string', requiresArg: true, describe: 'Draw the results into this file, a PNG' },
    open: {
      type: 'boolean',
      default: false,
      describe: 'Open a contact sheet of the results: --sheet, or a temporary file',
    },
  },
  positionals: {
    folder: { type: 'string', demandOption: true, describe: 'With all folders in it' },
    text: { type: 'string', describe: 'What images are to show; not needed with --image' },
  },
  examples: [
    ['lavis search photos "a red car"', 'the twelve photos that fit best'],
    ['lavis search photos "a red car" --top 30 --open', 'thirty of them as a contact sheet'],
    ['lavis search photos --image car.jpg', 'photos like this one'],
    ['lavis search photos "at night" --image car.jpg', 'photos like this one, and at night'],
    ['lavis search photos "a red car" --rerank 50', 'the best fifty are looked at closely'],
    ['lavis search photos "a red car" --format jsonl', 'for a program'],
  ],
  epilogue: [
    'The features of each image are made once and kept in the cache (LAVIS_CACHE_ROOT/search), for these weights; the',
    'next search makes those of new and changed images alone. What was made when a search is ended is kept. Images that',
    'cannot be read are told and passed over.',
  ].join('\n'),
  async handler(args) {
    const { folder, text, image, rerank } = args;
    const weight = checkQuery(args);
    const { indexFolder, useModel } = await import('../inference/index.js');
    const { featureModel, matchModel } = await import('../models/index.js');
    const { imageBytes } = await import('../processors/index.js');
    const { searchedFolder, search: searchIndex } = await import('../search/index.js');
    await searchedFolder(folder); // before weights are fetched
    const used = await useModel(await modelSource(args), {
      caller: 'lavis search',
      device: args.device,
      arch: 'blip_image_text_matching',
      accept: (found) => (rerank === undefined ? featureModel(found) : matchModel(found)),
    });
    const { recursive, update } = args;
    const batchSize = Math.max(1, args['batch-size']);
    const { index, broken } = await indexFolder(used, folder, { recursive, update, batchSize });
    if (index.made > 0) log.info(`${index.made} of ${index.paths.length} images are new or have changed`);
    const query = {
      text,
      image: image === undefined ? undefined : await imageBytes(image),
      imageWeight: weight,
    };
    const found = await searchIndex(index, query, { top: args.top, rerank });
    used.model.dispose();
    const output = new ResultOutput<Result>(args.format, formOf(rerank !== undefined));
    for (const { path, score, probability } of found) {
      const rounded = probability === undefined ? {} : { probability: sevenDigits(probability) };
      output.print({ image: asTyped(folder, index.folder, path), score: sevenDigits(score), ...rounded });
    }
    output.end();
    if (args.sheet !== undefined || args.open) await show(found, args);
    return broken > 0 ? 1 : 0;
  },
});

/** @returns the image's weight. @throws UsageError for what cannot be asked */
function checkQuery(args: {
  text?: string;
  image?: string;
  'image-weight'?: string;
  top: number;
  rerank?: number;
}): number | undefined {
  const { text, image, 'image-weight': weight, top, rerank } = args;
  if (text?.trim() === '') throw new UsageError('the text is empty: lavis search photos "a red car"');
  if (text === undefined && image === undefined) {
    throw new UsageError('what is looked for is needed: lavis search photos "a red car", or --image FILE');
  }
  if (text === undefined && rerank !== undefined) {
    throw new UsageError('--rerank reads a text beside images: lavis search photos "a red car" --rerank 50');
  }
  if (top === 0) throw new UsageError('--top is a whole number, at least 1');
  if (weight === undefined) return undefined;
  const value = weight.trim() === '' ? Number.NaN : Number(weight);
  if (!(value >= 0 && value <= 1)) throw new UsageError(`--image-weight is from 0 to 1, not '${weight}'`);
  if (text === undefined || image === undefined) {
    throw new UsageError('--image-weight is for a text and --image together');
  }
  return value;
}

/** A path below the folder as the user named the folder. */
const asTyped = (folder: string, root: string, path: string) => join(folder, relative(root, path));

/** Draws the results, and opens the drawing. */
async function show(
  found: readonly Found[],
  { text, image, sheet, open }: { text?: string; image?: string; sheet?: string; open: boolean },
): Promise<void> {
  const { decodeImage } = await import('../processors/index.js');
  const { drawSheet } = await import('../reports/index.js');
  const file = resolve(sheet ?? join(makeFolderInside(tmpdir(), 'lavis-search-'), 'search.png'));
  const cells = found.map(
    (one): SheetCell => ({
      picture: () => decodeImage(one.path),
      text: `${scoresOf(one)} ${basename(one.path)}`,
    }),
  );
  const title = [text, image && `like ${basename(image)}`].filter(Boolean).join(', ');
  await drawSheet([{ title, cells }], file);
  log.info(`The contact sheet is ${file}`);
  if (open && !(await openFile(file))) log.warn('no program was found that opens it');
}
