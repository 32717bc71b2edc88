import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { messageOf } from '../common/errors.js';
import { log } from '../common/logging.js';
import { expandHome } from '../common/paths.js';
import { registry } from '../common/registry.js';
import type { Config } from '../config/index.js';
import { setupEngine, tf } from '../engine/index.js';
import {
  type CaptionModel,
  captionModel,
  type GenerateOptions,
  loadModelAndPreprocess,
} from '../models/index.js';
import { type ImageArray, type ImageProcessor, loadImageProcessor } from '../processors/index.js';
import { newestCheckpoint, timedProgress } from '../runners/index.js';
import { chooseEngine } from '../runs/index.js';
import { buildModel, CaptionTask } from '../tasks/index.js';
import { CaptionOutput } from './caption_output.js';
import { type Arguments, defineCommand, UsageError } from './command.js';
import { configOptions, loadClasses, loadConfig, NO_NAMED_WEIGHTS } from './config_options.js';
import { imagesOf, readImage } from './image_sources.js';
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
  'num-captions': { type: 'number', default: 1, requiresArg: true, describe: 'Captions for each image' },
  nucleus: {
    type: 'boolean',
    default: false,
    describe: 'Draw words at random (nucleus sampling) instead of searching with beams',
  },
  'num-beams': {
    type: 'number',
    requiresArg: true,
    defaultDescription: '3, or run.num_beams of the YAML',
    describe: 'Width of the beam search; 1 is greedy',
  },
  'max-length': {
    type: 'number',
    requiresArg: true,
    defaultDescription: '30, or run.max_len of the YAML',
    describe: 'Most tokens of a caption, the prompt included',
  },
  'min-length': {
    type: 'number',
    requiresArg: true,
    defaultDescription: '10, or run.min_len of the YAML',
    describe: 'Fewest tokens of a caption, the prompt included',
  },
  seed: { type: 'number', default: 42, requiresArg: true, describe: 'Chooses the words of --nucleus' },
  device: { type: 'string', requiresArg: true, describe: 'auto, cpu, cuda or webgpu' },
  'batch-size': { type: 'number', default: 8, requiresArg: true, describe: 'Images at a time' },
  format: {
    choices: ['text', 'json', 'jsonl'] as const,
    default: 'text' as const,
    requiresArg: true,
    describe: 'jsonl: a line of JSON for each image, as it comes; json: one object at the end',
  },
  json: { type: 'boolean', default: false, describe: 'The same as --format json' },
  watch: {
    type: 'boolean',
    default: false,
    describe: 'Go on with the images that come into the folders, until Ctrl-C',
  },
} as const;

const positionals = {
  images: { type: 'string', array: true, demandOption: true, describe: 'Files, folders, globs or URLs' },
} as const;

type CaptionArguments = Arguments<typeof options, typeof positionals>;

/** What turns a file into captions. */
interface Captioner {
  model: CaptionModel;
  processor: ImageProcessor;
  /** What the YAML says of generation. */
  settings: GenerateOptions;
}

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
    ['lavis caption inbox --watch --model blip_caption', 'each photo that comes into the folder inbox'],
  ],
  epilogue: 'An image that cannot be read is told and passed over; the exit code is 1 then.',
  async handler(args) {
    const format = args.json ? 'json' : args.format;
    const folders = args.watch ? await foldersOf(args.images, format) : [];
    const images = await imagesOf(args.images.filter((source) => !folders.includes(source)));
    const captioner = args['cfg-path'] ? await fromConfig(args) : await fromZoo(args);
    Object.assign(captioner.settings, settingsOf(args));
    captioner.model.eval();
    const output = new CaptionOutput(format);
    const size = Math.max(1, args['batch-size']);
    let failures = await captionAll(captioner, images, size, output);
    if (folders.length > 0) failures += await captionNew(captioner, folders, size, output);
    output.end();
    captioner.model.dispose();
    return failures > 0 ? 1 : 0;
  },
});

/** What the command line says of generation. */
function settingsOf(args: CaptionArguments): GenerateOptions {
  const asked = {
    useNucleusSampling: args.nucleus || undefined,
    numCaptions: args['num-captions'],
    numBeams: args['num-beams'],
    maxLength: args['max-length'],
    minLength: args['min-length'],
    seed: args.seed,
  };
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
}

/** @throws UsageError when there is nothing to watch. */
async function foldersOf(sources: readonly string[], format: string): Promise<string[]> {
  if (format === 'json') throw new UsageError('--watch never ends: --format jsonl prints as images come');
  const infos = await Promise.all(sources.map((source) => stat(source).catch(() => undefined)));
  const folders = sources.filter((_, i) => infos[i]?.isDirectory());
  if (folders.length > 0) return folders;
  throw new UsageError('--watch needs a folder that is there');
}

/** Captions and prints images, some at a time. @returns how many could not be read */
async function captionAll(
  captioner: Captioner,
  images: readonly string[],
  size: number,
  output: CaptionOutput,
): Promise<number> {
  const batches = Math.ceil(images.length / size);
  const progress = timedProgress('Captioning', batches);
  let failures = 0;
  for (let i = 0; i < batches; i++) {
    failures += await captionBatch(captioner, images.slice(i * size, (i + 1) * size), output);
    progress(i + 1);
  }
  return failures;
}

/** Captions what comes into folders, until Ctrl-C. */
async function captionNew(
  captioner: Captioner,
  folders: readonly string[],
  size: number,
  output: CaptionOutput,
): Promise<number> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  log.info(`Watching ${folders.join(', ')}; Ctrl-C ends it`);
  let failures = 0;
  for await (const images of newImages(folders, new Set(), stop.signal)) {
    for (let i = 0; i < images.length && !stop.signal.aborted; i += size) {
      failures += await captionBatch(captioner, images.slice(i, i + size), output);
    }
  }
  return failures;
}

async function captionBatch(
  { model, processor, settings }: Captioner,
  images: readonly string[],
  output: CaptionOutput,
): Promise<number> {
  const read = await Promise.allSettled(images.map(async (image) => processor.apply(await readImage(image))));
  const names: string[] = [];
  const pixels: ImageArray[] = [];
  read.forEach((result, i) => {
    if (result.status === 'fulfilled') {
      names.push(images[i]);
      pixels.push(result.value);
    } else log.warn(`${images[i]} is passed over: ${messageOf(result.reason)}`);
  });
  if (names.length > 0) {
    const captions = await captionsOf(model, pixels, settings);
    const each = captions.length / names.length;
    names.forEach((image, i) => {
      output.print({ image, captions: captions.slice(i * each, (i + 1) * each) });
    });
  }
  return images.length - names.length;
}

async function captionsOf(
  model: CaptionModel,
  images: readonly ImageArray[],
  settings: GenerateOptions,
): Promise<string[]> {
  const batch = tf.tidy(() =>
    tf.stack(images.map(({ data, shape }) => tf.tensor3d(data, shape))),
  ) as tf.Tensor4D;
  try {
    return await model.generate({ image: batch }, settings);
  } finally {
    batch.dispose();
  }
}

async function fromZoo(args: CaptionArguments): Promise<Captioner> {
  if (!args.model) throw new UsageError('--model NAME or --cfg-path FILE is needed');
  await loadClasses(args.plugin);
  registry.getModelClass(args.model);
  log.info((await setupEngine({ device: args.device ?? 'auto' })).description);
  const { model, visProcessors } = await loadModelAndPreprocess(args.model, args['model-type'], {
    checkpoint: args.checkpoint,
    isEval: true,
  });
  return { model: captionModel(model), processor: visProcessors.eval, settings: {} };
}

async function fromConfig(args: CaptionArguments): Promise<Captioner> {
  const asked = await loadConfig({ ...args, 'cfg-path': args['cfg-path'] as string }, { training: false });
  const checkpoint = args.checkpoint ?? (await trainedBy(asked));
  const config = checkpoint ? asked.with({ model: NO_NAMED_WEIGHTS }, `--checkpoint ${checkpoint}`) : asked;
  await chooseEngine(config, args.device);
  const model = captionModel(await buildModel(config, { training: false }));
  if (checkpoint) await model.loadCheckpoint(checkpoint);
  const { num_beams, max_len, min_len } = config.run;
  const settings = num_beams || max_len || min_len ? { ...CaptionTask.setupTask(config).settings } : {};
  return { model, processor: evalProcessor(config.datasets, config.section('preprocess')), settings };
}

/**
 * The best checkpoint that a run of this configuration made; undefined where it made none, or where the
 * command line or an evaluation names other weights.
 * @throws UsageError when there are no weights at all: captions of weights that were never trained mean nothing.
 */
async function trainedBy(config: Config): Promise<string | undefined> {
  const { load_finetuned, load_pretrained, finetuned, pretrained } = config.model;
  const named = (load_finetuned && finetuned) || (load_pretrained !== false && pretrained);
  const chosen = ['finetuned', 'pretrained'].some(
    (key) => config.originOf(`model.${key}`)?.kind === 'option',
  );
  if (named && (chosen || config.run.evaluate)) return undefined;
  const { output_dir } = config.run;
  const folder = resolve(expandHome(typeof output_dir === 'string' ? output_dir : 'output'));
  const found = await newestCheckpoint(folder, 'best');
  if (found) log.info(`With the weights that the run made: ${found}`);
  if (found || named) return found;
  throw new UsageError(`the YAML names no weights, and none were trained under ${folder}: --checkpoint FILE`);
}

/** The image processor of the first dataset's evaluation, else of the model's defaults. */
function evalProcessor(datasets: Record<string, unknown>, preprocess: unknown): ImageProcessor {
  for (const section of [...Object.values(datasets), preprocess]) {
    const processor = at(at(at(section, 'vis_processor'), 'eval'), 'name');
    if (typeof processor === 'string') {
      return loadImageProcessor(
        processor,
        at(at(section, 'vis_processor'), 'eval') as Record<string, unknown>,
      );
    }
  }
  return loadImageProcessor('blip_image_eval');
}

const at = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
