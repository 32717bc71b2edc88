import { stat } from 'node:fs/promises';
import { log } from '../common/logging.js';
import type { Captioned, CaptionFiles, CaptionJob, Existing } from '../inference/index.js';
import { defineCommand, UsageError } from './command.js';
import { generationArguments, generationOptionTable } from './generation_options.js';
import { imageOptions, imagePositionals, PASSED_OVER, sourcesOf } from './image_options.js';
import { modelOptions, modelSource } from './model_options.js';
import { formatOption, type ResultForm, ResultOutput } from './result_output.js';

const options = {
  ...modelOptions('blip_caption', 'base_coco'),
  ...generationOptionTable,
  ...imageOptions,
  format: formatOption,
  json: { type: 'boolean', default: false, describe: 'The same as --format json' },
  explain: {
    type: 'string',
    requiresArg: true,
    describe: 'Folder for drawings of where the model looked for each word: a PNG for each image',
  },
  tokens: {
    type: 'boolean',
    default: false,
    describe: 'json and jsonl: the log-probability of each token too',
  },
  watch: {
    type: 'boolean',
    default: false,
    describe: 'Go on with the images that come into the folders, until Ctrl-C',
  },
  write: {
    choices: ['txt', 'caption'] as const,
    requiresArg: true,
    describe: 'Write each caption into a file beside its image, with this ending, in place of --format text',
  },
  xmp: {
    type: 'boolean',
    default: false,
    describe:
      'Write each caption as the description (dc:description) into an XMP sidecar, photo.jpg.xmp; what else is in one stays',
  },
  existing: {
    choices: ['skip', 'overwrite', 'append', 'prepend'] as const,
    default: 'skip' as const,
    requiresArg: true,
    describe:
      'What --write and --xmp do where a caption is there: append puts the new one behind the old one',
  },
  prefix: { type: 'string', default: '', requiresArg: true, describe: 'Text in front of each caption' },
  suffix: { type: 'string', default: '', requiresArg: true, describe: 'Text behind each caption' },
} as const;

const CAPTIONS: ResultForm<Captioned> = {
  columns: ['image', 'caption', 'log_probability'],
  rows: ({ image, captions, log_probabilities }) =>
    captions.map((text, i) => [image, text, log_probabilities?.[i] ?? '']),
  lines: ({ image, captions }) => captions.map((text) => `${image}: ${text}`),
};

export const caption = defineCommand({
  options,
  positionals: imagePositionals,
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
    ['lavis caption photos --model blip_caption --xmp', 'the description that photo managers show'],
    ['lavis caption photo.jpg --model blip_caption --explain looks', 'where it looked for each word'],
    ['lavis caption - --model blip_caption < photo.jpg', 'a photo from standard input'],
    ['lavis caption inbox --watch --model blip_caption', 'each photo that comes into the folder inbox'],
  ],
  epilogue: PASSED_OVER,
  async handler(args) {
    const asked = generationArguments(args);
    const format = args.json ? 'json' : args.format;
    const named = sourcesOf(args.images, 'lavis caption');
    const folders = args.watch ? await foldersOf(named, format) : [];
    const sources = named.filter((source) => !folders.includes(source));
    const { recursive } = args;
    const { captionAll, captionedOf, captionNew, Explanations, findImages, loadCaptioner } = await import(
      '../inference/index.js'
    );
    const own = [...(args.write ? [`.${args.write}`] : []), ...(args.xmp ? ['.xmp'] : [])];
    const found = await findImages(sources, { recursive, own });
    const files = await filesFor(args, found);
    const images = files ? await files.missing(found) : found;
    if (images.length < found.length) log.info(`${found.length - images.length} have a caption already`);
    if (images.length === 0 && folders.length === 0) return 0;
    const { device, prompt } = args;
    const captioner = await loadCaptioner(await modelSource(args), {
      caller: 'lavis caption',
      ...{ device, prompt, generation: asked },
    });
    const output = files && format === 'text' ? undefined : new ResultOutput(format, CAPTIONS);
    const drawings = args.explain === undefined ? undefined : new Explanations(captioner, args.explain);
    const job: CaptionJob = {
      ...captioner,
      size: Math.max(1, args['batch-size']),
      async take(image, scored, source) {
        const captioned = captionedOf(image, scored, args);
        await files?.write(captioned);
        output?.print(captioned);
        await drawings?.draw(image, source, scored);
      },
    };
    let failures = await captionAll(job, images, 'Captioning');
    if (files || failures > 0) log.info(outcome(images.length, failures));
    if (folders.length > 0) {
      const stop = new AbortController();
      process.once('SIGINT', () => stop.abort());
      log.info(`Watching ${folders.join(', ')}; Ctrl-C ends it`);
      failures += await captionNew(job, folders, { recursive, files, signal: stop.signal });
    }
    output?.end();
    captioner.model.dispose();
    return failures > 0 ? 1 : 0;
  },
});

const outcome = (all: number, failures: number) =>
  `${all - failures} of ${all} images captioned${failures > 0 ? `, ${failures} passed over` : ''}`;

/** The files beside the images, where there are to be any. @throws UsageError for an image that none can lie beside. */
async function filesFor(
  { write, xmp, existing }: { write?: 'txt' | 'caption'; xmp: boolean; existing: Existing },
  images: readonly string[],
): Promise<CaptionFiles | undefined> {
  const { captionFiles } = await import('../inference/index.js');
  const { isUrl, STDIN } = await import('../processors/index.js');
  const files = captionFiles({ text: write, xmp, existing });
  const homeless = files && images.find((image) => image === STDIN || isUrl(image));
  if (homeless === undefined) return files;
  const option = write ? '--write' : '--xmp';
  throw new UsageError(`${option} puts a file beside each image, and ${homeless} is not a file`);
}

/** @throws UsageError when there is nothing to watch. */
async function foldersOf(sources: readonly string[], format: string): Promise<string[]> {
  if (format === 'json') throw new UsageError('--watch never ends: --format jsonl prints as images come');
  const infos = await Promise.all(sources.map((source) => stat(source).catch(() => undefined)));
  const folders = sources.filter((_, i) => infos[i]?.isDirectory());
  if (folders.length > 0) return folders;
  throw new UsageError('--watch needs a folder that is there');
}
