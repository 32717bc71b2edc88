import { mkdir } from 'node:fs/promises';
import { ConfigError } from '../common/errors.js';
import { cacheRoot } from '../common/paths.js';
import { didYouMean } from '../common/suggest.js';
import { defineCommand } from './command.js';
import { configOptions, loadClasses } from './config_options.js';
import { COCO_SPLITS, itemsOf, placeOf } from './download_items.js';
import { fetchItems } from './fetch_items.js';

export const download = defineCommand({
  command: 'download <names..>',
  describe: 'Fetch data, weights or vocabularies into the cache, sizes told first',
  positionals: {
    names: {
      type: 'string',
      array: true,
      demandOption: true,
      describe: 'coco, bert-base-uncased, metrics, or weights as ARCHITECTURE/TYPE',
    },
  },
  options: {
    splits: {
      type: 'string',
      array: true,
      default: ['train', 'val', 'test'],
      describe: `For coco: of ${COCO_SPLITS.join(', ')}; also with commas`,
    },
    'dry-run': { type: 'boolean', default: false, describe: 'Tell the sizes and fetch nothing' },
    'keep-archives': { type: 'boolean', default: false, describe: 'Keep archives after they are unpacked' },
    'cache-root': { type: 'string', requiresArg: true, describe: 'Where to; ~/.cache/lavis unless given' },
    mirror: {
      type: 'string',
      requiresArg: true,
      describe: 'Ask URL/<host>/<path> instead of each address (or LAVIS_MIRROR)',
    },
    plugin: configOptions.plugin,
  },
  examples: [
    ['lavis download coco', 'annotations and images of COCO captions (train2014 and val2014)'],
    ['lavis download coco --splits test', 'what an evaluation needs: no train2014'],
    ['lavis download blip_caption/base_coco', 'the weights of BLIP base, and the vocabulary'],
  ],
  epilogue:
    'What is there is left alone; what broke off goes on where it stopped. Checksums are compared. ' +
    'HTTP_PROXY, HTTPS_PROXY and NO_PROXY are honoured.',
  async handler(args) {
    await loadClasses(args.plugin);
    if (args['cache-root']) process.env.LAVIS_CACHE_ROOT = args['cache-root'];
    if (args.mirror) process.env.LAVIS_MIRROR = args.mirror;
    const splits = args.splits.flatMap((split) => split.split(','));
    for (const split of splits) {
      if (COCO_SPLITS.includes(split)) continue;
      throw new ConfigError(`COCO has no split '${split}'`, {
        found: didYouMean(split, COCO_SPLITS) || undefined,
        allowed: COCO_SPLITS.join(', '),
      });
    }
    const items = args.names.flatMap((name) => itemsOf(name, splits));
    await mkdir(cacheRoot(), { recursive: true });
    await fetchItems(items, { dryRun: args['dry-run'], keepArchives: args['keep-archives'] });
    if (!args['dry-run']) for (const item of items) console.log(placeOf(item));
  },
});
