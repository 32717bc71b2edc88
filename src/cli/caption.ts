import { stat } from 'node:fs/promises';
import { messageOf } from '../common/errors.js';
import { log } from '../common/logging.js';
import { captionImages } from '../models/index.js';
import { HEIC_HELP } from '../processors/index.js';
import { timedProgress } from '../runners/index.js';
import { CaptionFiles, CaptionOutput, EXISTING, FORMATS } from './caption_output.js';
import { type Captioner, loadCaptioner } from './captioner.js';
import { defineCommand, STDIN_ARGUMENT, UsageError } from './command.js';
import { configOptions } from './config_options.js';
import { generationArguments, generationOptionTable } from './generation_options.js';
import { hasHeic, imageBytes, imagesOf, inWords, isUrl, type LeftOut, STDIN } from './image_sources.js';
import { newImages } from './watch_folders.js';

const options = {
  ...configOptions,
  'cfg-path': {
    ...configOptions['cfg-path'],
    demandOption: false,
    describe: 'YAML of a run, for a model that you trained; this or --model is needed',
  },
  model: {
    type: 'string',
    requiresArg: true,
    describe: 'Architecture of lavis zoo, with weights that are fetched once',
  },
  'model-type': {
    type: 'string',
    requiresArg: true,
    describe: 'Type of --model; base_coco, the first that lavis zoo lists, unless given',
  },
  checkpoint: {
    type: 'string',
    requiresArg: true,
    describe: 'Weights; with --cfg-path the best that its run made, else those that the YAML names',
  },
  ...generationOptionTable,
  device: { type: 'string', requiresArg: true, describe: 'auto, cpu, cuda or webgpu' },
  'batch-size': { type: 'number', default: 8, requiresArg: true, describe: 'Images at a time' },
  format: {
    choices: FORMATS,
    default: 'text' as const,
    requiresArg: true,
    describe: 'jsonl: a line of JSON for each image, as it comes; json: one object at the end; csv: a table',
  },
  json: { type: 'boolean', default: false, describe: 'The same as --format json' },
  watch: {
    type: 'boolean',
    default: false,
    describe: 'Go on with the images that come into the folders, until Ctrl-C',
  },
  recursive: {
    type: 'boolean',
    default: true,
    describe: 'Take what is in the folders of a folder too; --recursive=false does not',
  },
  write: {
    choices: ['txt', 'caption'] as const,
    requiresArg: true,
    describe: 'Write each caption into a file beside its image, with this ending, in place of --format text',
  },
  existing: {
    choices: EXISTING,
    default: 'skip' as const,
    requiresArg: true,
    describe: 'What --write does where such a file is there: append puts the caption behind the old one',
  },
  prefix: { type: 'string', default: '', requiresArg: true, describe: 'Text in front of each caption' },
  suffix: { type: 'string', default: '', requiresArg: true, describe: 'Text behind each caption' },
} as const;

const positionals = {
  images: {
    type: 'string',
    array: true,
    demandOption: true,
    describe: 'Files, folders, globs or URLs; - is standard input',
  },
} as const;

export const caption = defineCommand({
  command: 'caption <images..>',
  describe: 'Say what is in images, with published weights (--model) or your own (--cfg-path)',
  options,
  positionals,
  examples: [
    ['lavis caption photo.jpg --model blip_caption --model-type base_coco', 'with the published weights'],
    [
      'lavis caption photo.jpg --model blip_caption --model-type large_coco --nucleus --num-captions 3',
      'three captions that differ',
    ],
    [
      'lavis caption scene.png --cfg-path projects/blip/train/caption_shapes.yaml',
      'with the weights that this training run made',
    ],
    ['lavis caption "photos/**/*.jpg" --model blip_caption --format jsonl > captions.jsonl', 'many photos'],
    [
      'lavis caption photos --model blip_caption --write txt --prefix "mystyle, "',
      'a text file beside each photo that has none',
    ],
    ['lavis caption - --model blip_caption < photo.jpg', 'a photo from standard input'],
    ['lavis caption inbox --watch --model blip_caption', 'each photo that comes into the folder inbox'],
  ],
  epilogue: 'An image that cannot be read is told and passed over; the exit code is 1 then.',
  async handler(args) {
    const asked = generationArguments(args);
    const format = args.json ? 'json' : args.format;
    const named = args.images.map((source) => (source === STDIN_ARGUMENT ? STDIN : source));
    const folders = args.watch ? await foldersOf(named, format) : [];
    const sources = named.filter((source) => !folders.includes(source));
    if (sources.includes(STDIN) && process.stdin.isTTY) {
      throw new UsageError(
        '- reads an image from standard input, which is a terminal: lavis caption - < photo.jpg',
      );
    }
    const leftOut: LeftOut = new Map();
    const { recursive } = args;
    const found = await imagesOf(sources, { recursive, leftOut });
    if (args.write) leftOut.delete(`.${args.write}`);
    if (leftOut.size > 0) {
      log.info(`Left out: ${inWords(leftOut)}${hasHeic(leftOut) ? `; ${HEIC_HELP}` : ''}`);
    }
    const files = args.write && filesFor(args.write, args.existing, found);
    const images = files ? await files.missing(found) : found;
    if (images.length < found.length) log.info(`${found.length - images.length} have a caption already`);
    if (images.length === 0 && folders.length === 0) return 0;
    const captioner = await loadCaptioner(args, asked);
    const output = files && format === 'text' ? undefined : new CaptionOutput(format);
    const job: CaptionJob = {
      ...captioner,
      size: Math.max(1, args['batch-size']),
      async take(image, captions) {
        const captioned = { image, captions: captions.map((text) => args.prefix + text + args.suffix) };
        await files?.write(captioned);
        output?.print(captioned);
      },
    };
    let failures = await captionAll(job, images);
    if (folders.length > 0) failures += await captionNew(job, folders, recursive, files);
    output?.end();
    captioner.model.dispose();
    return failures > 0 ? 1 : 0;
  },
});

/** A captioner at work. */
interface CaptionJob extends Captioner {
  /** Images at a time. */
  size: number;
  /** Prints and writes an image's captions. */
  take: (image: string, captions: readonly string[]) => Promise<void>;
}

/** @throws UsageError for an image that no file can lie beside. */
function filesFor(
  ending: 'txt' | 'caption',
  existing: (typeof EXISTING)[number],
  images: readonly string[],
): CaptionFiles {
  const homeless = images.find((image) => image === STDIN || isUrl(image));
  if (homeless === undefined) return new CaptionFiles(ending, existing);
  throw new UsageError(`--write puts a file beside each image, and ${homeless} is not a file`);
}

/** @throws UsageError when there is nothing to watch. */
async function foldersOf(sources: readonly string[], format: string): Promise<string[]> {
  if (format === 'json') throw new UsageError('--watch never ends: --format jsonl prints as images come');
  const infos = await Promise.all(sources.map((source) => stat(source).catch(() => undefined)));
  const folders = sources.filter((_, i) => infos[i]?.isDirectory());
  if (folders.length > 0) return folders;
  throw new UsageError('--watch needs a folder that is there');
}

/** Captions images, some at a time. @returns how many could not be read */
async function captionAll(job: CaptionJob, images: readonly string[]): Promise<number> {
  const batches = Math.ceil(images.length / job.size);
  const progress = timedProgress('Captioning', batches);
  let failures = 0;
  for (let i = 0; i < batches; i++) {
    failures += await captionBatch(job, images.slice(i * job.size, (i + 1) * job.size));
    progress(i + 1);
  }
  return failures;
}

/** Captions what comes into folders, until Ctrl-C. */
async function captionNew(
  job: CaptionJob,
  folders: readonly string[],
  recursive: boolean,
  files?: CaptionFiles,
): Promise<number> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  log.info(`Watching ${folders.join(', ')}; Ctrl-C ends it`);
  let failures = 0;
  for await (const found of newImages(folders, new Set(), stop.signal, { recursive })) {
    const images = files ? await files.missing(found) : found;
    for (let i = 0; i < images.length && !stop.signal.aborted; i += job.size) {
      failures += await captionBatch(job, images.slice(i, i + job.size));
    }
  }
  return failures;
}

async function captionBatch(job: CaptionJob, images: readonly string[]): Promise<number> {
  let failures = 0;
  const passOver = (image: string, reason: unknown) => {
    failures++;
    log.warn(`${image} is passed over: ${messageOf(reason)}`);
  };
  const fetched = await Promise.allSettled(images.map(imageBytes));
  const there = images.filter((_, i) => fetched[i].status === 'fulfilled');
  const sources = fetched.flatMap((result, i) => {
    if (result.status === 'fulfilled') return [result.value];
    passOver(images[i], result.reason);
    return [];
  });
  await captionImages(job.model, job.processor, sources, {
    ...job.settings,
    batchSize: job.size,
    onError: (reason, i) => passOver(there[i], reason),
    onCaptions: (captions, i) => job.take(there[i], captions),
  });
  return failures;
}
