import { formatBytes } from '../common/words.js';
import { defineCommand } from './command.js';

export const cache = defineCommand({
  options: {
    clear: { type: 'boolean', default: false, describe: 'Remove them all; downloads stay' },
    'cache-root': { type: 'string', requiresArg: true, describe: 'Where; ~/.cache/lavis unless given' },
  },
  examples: [
    [
      'lavis cache',
      'what runs with run.cache_image_embeds=True remember of images, and how much room it takes',
    ],
    ['lavis cache --clear', 'make room: what a later run needs it computes again'],
  ],
  epilogue: 'A run that is training with what is removed stops; lavis train --resume computes it again.',
  async handler(args) {
    const { clearStore, describeKept, keptSets } = await import('../runs/index.js');
    if (args['cache-root']) process.env.LAVIS_CACHE_ROOT = args['cache-root'];
    const sets = args.clear ? await clearStore() : await keptSets();
    for (const set of sets) console.log(describeKept(set));
    const total = formatBytes(sets.reduce((sum, { bytes }) => sum + bytes, 0));
    console.log(
      sets.length === 0 ? 'no images are remembered' : `${total} ${args.clear ? 'removed' : 'in all'}`,
    );
  },
});
