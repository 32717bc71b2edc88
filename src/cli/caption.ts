import { resolve } from 'node:path';
import { log } from '../common/logging.js';
import { expandHome } from '../common/paths.js';
import { registry } from '../common/registry.js';
import { setupEngine, tf } from '../engine/index.js';
import { type BlipCaption, type GenerateOptions, loadModelAndPreprocess } from '../models/index.js';
import {
  decodeImage,
  type ImageArray,
  type ImageProcessor,
  loadImageProcessor,
} from '../processors/index.js';
import { newestCheckpoint } from '../runners/index.js';
import { buildModel, CaptionTask } from '../tasks/index.js';
import { type Arguments, defineCommand, UsageError } from './command.js';
import { configOptions, loadClasses, loadConfig } from './config_options.js';
import { chooseEngine } from './prepare_run.js';

const options = {
  ...configOptions,
  'cfg-path': {
    ...configOptions['cfg-path'],
    demandOption: false,
    describe: 'YAML of a run, for a model of your own',
  },
  model: { type: 'string', requiresArg: true, describe: 'Architecture, as lavis zoo lists it' },
  'model-type': { type: 'string', requiresArg: true, describe: 'Its type; the first one unless given' },
  checkpoint: {
    type: 'string',
    requiresArg: true,
    describe: 'Weights; with --cfg-path the newest of its output_dir unless the YAML names some',
  },
  'num-captions': { type: 'number', default: 1, requiresArg: true, describe: 'Captions for each image' },
  nucleus: { type: 'boolean', default: false, describe: 'Draw words at random (nucleus sampling)' },
  'num-beams': { type: 'number', requiresArg: true, describe: 'Width of the beam search; 1 is greedy' },
  'max-length': {
    type: 'number',
    requiresArg: true,
    describe: 'Most tokens of a caption, the prompt included',
  },
  'min-length': { type: 'number', requiresArg: true, describe: 'Fewest tokens of a caption' },
  seed: { type: 'number', default: 42, requiresArg: true, describe: 'Chooses the words of --nucleus' },
  device: { type: 'string', requiresArg: true, describe: 'auto, cpu, cuda or webgpu' },
  json: { type: 'boolean', default: false, describe: 'Print JSON' },
} as const;

const positionals = {
  images: { type: 'string', array: true, demandOption: true, describe: 'Image files' },
} as const;

type CaptionArguments = Arguments<typeof options, typeof positionals>;

/** What turns a file into captions. */
interface Captioner {
  model: BlipCaption;
  processor: ImageProcessor;
  /** What the YAML says of generation. */
  settings: GenerateOptions;
}

export const caption = defineCommand({
  command: 'caption <images..>',
  describe: 'Caption images',
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
  ],
  async handler(args) {
    const images = await Promise.all(args.images.map((path) => decodeImage(path)));
    const { model, processor, settings } = args['cfg-path'] ? await fromConfig(args) : await fromZoo(args);
    const asked = {
      useNucleusSampling: args.nucleus,
      numCaptions: args['num-captions'],
      numBeams: args['num-beams'],
      maxLength: args['max-length'],
      minLength: args['min-length'],
      seed: args.seed,
    };
    const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
    model.eval();
    const captions: Record<string, string[]> = {};
    for (const [i, path] of args.images.entries()) {
      captions[path] = await captionsOf(model, processor.apply(images[i]), { ...settings, ...given });
      if (!args.json) for (const text of captions[path]) console.log(`${path}: ${text}`);
    }
    if (args.json) console.log(JSON.stringify(captions, null, 2));
    model.dispose();
  },
});

async function captionsOf(
  model: BlipCaption,
  { data, shape }: ImageArray,
  settings: GenerateOptions,
): Promise<string[]> {
  const image = tf.tensor4d(data, [1, ...shape]);
  try {
    return await model.generate({ image }, settings);
  } finally {
    image.dispose();
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
  return { model, processor: visProcessors.eval, settings: {} };
}

async function fromConfig(args: CaptionArguments): Promise<Captioner> {
  const cfgPath = args['cfg-path'] as string;
  const first = await loadConfig({ ...args, 'cfg-path': cfgPath });
  const { load_finetuned, load_pretrained, finetuned, pretrained } = first.model;
  const named = (load_finetuned && finetuned) || (load_pretrained !== false && pretrained);
  const checkpoint = args.checkpoint ?? (named ? undefined : await newestOf(first.run.output_dir));
  const without = checkpoint ? ['model.load_finetuned=False', 'model.load_pretrained=False'] : [];
  const config = await loadConfig({ ...args, 'cfg-path': cfgPath, options: [...args.options, ...without] });
  await chooseEngine(config, args.device);
  const model = (await buildModel(config)) as BlipCaption;
  if (checkpoint) await model.loadCheckpoint(checkpoint);
  const { num_beams, max_len, min_len } = config.run;
  const settings = num_beams || max_len || min_len ? CaptionTask.setupTask(config).settings : {};
  return { model, processor: evalProcessor(config.datasets, config.section('preprocess')), settings };
}

/** @throws UsageError when there is none: captions of weights that were never trained mean nothing. */
async function newestOf(outputDir: unknown): Promise<string> {
  const folder = resolve(expandHome(typeof outputDir === 'string' ? outputDir : 'output'));
  const found = await newestCheckpoint(folder, 'best');
  if (found) return found;
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
