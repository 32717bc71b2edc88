import { makeFolder } from '../common/files.js';
import { log } from '../common/logging.js';
import { cacheRoot } from '../common/paths.js';
import { defineCommand, UsageError } from './command.js';
import { configOptions, loadClasses, loadConfig } from './config_options.js';

export const download = defineCommand({
  positionals: {
    names: {
      type: 'string',
      array: true,
      default: [] as string[],
      describe: 'coco, vg or another dataset, bert-base-uncased, metrics, weights as ARCHITECTURE/TYPE',
    },
  },
  options: {
    splits: {
      type: 'string',
      array: true,
      defaultDescription: 'train, val and test, or those of the run',
      describe: 'Of a dataset: train, val, test and whatever else it has; also with commas',
    },
    'dry-run': { type: 'boolean', default: false, describe: 'Tell the sizes and fetch nothing' },
    'keep-archives': { type: 'boolean', default: false, describe: 'Keep archives after they are unpacked' },
    'cache-root': { type: 'string', requiresArg: true, describe: 'Where to; ~/.cache/lavis unless given' },
    mirror: {
      type: 'string',
      requiresArg: true,
      describe: 'Ask URL/<host>/<path> instead of each address (or LAVIS_MIRROR)',
    },
    'cfg-path': {
      ...configOptions['cfg-path'],
      demandOption: false,
      describe: 'YAML of a run: fetch all that it names',
    },
    options: configOptions.options,
    plugin: configOptions.plugin,
    'allow-unknown': configOptions['allow-unknown'],
  },
  examples: [
    ['lavis download coco', 'annotations and images of COCO captions (train2014 and val2014)'],
    ['lavis download vg', 'annotations and images of Visual Genome'],
    ['lavis download coco --splits test', 'what an evaluation needs: no train2014'],
    [
      'lavis download --cfg-path projects/blip/train/caption_coco_ft.yaml',
      'all that this run needs, for a machine without a network',
    ],
    ['lavis download blip_caption/base_coco', 'the weights of BLIP base, and the vocabulary'],
  ],
  epilogue:
    'What is there is left alone; what broke off goes on where it stopped. Checksums are compared. ' +
    'HTTP_PROXY, HTTPS_PROXY and NO_PROXY are honoured.',
  async handler(args) {
    const cfgPath = args['cfg-path'];
    if (args.names.length === 0 && !cfgPath) throw new UsageError('a name or --cfg-path is needed');
    const { fetchItems, placeOf } = await import('../fetch/index.js');
    const { downloadsOf } = await import('../runs/index.js');
    if (args['cache-root']) process.env.LAVIS_CACHE_ROOT = args['cache-root'];
    if (args.mirror) process.env.LAVIS_MIRROR = args.mirror;
    await loadClasses(args.plugin);
    const config = cfgPath ? await loadConfig({ ...args, 'cfg-path': cfgPath }) : undefined;
    const splits = args.splits?.flatMap((split) => split.split(','));
    const items = downloadsOf({ names: args.names, config, splits });
    if (items.length === 0) log.info('nothing of it comes from the net');
    makeFolder(cacheRoot());
    await fetchItems(items, { dryRun: args['dry-run'], keepArchives: args['keep-archives'] });
    if (!args['dry-run']) for (const item of items) console.log(placeOf(item));
  },
});
