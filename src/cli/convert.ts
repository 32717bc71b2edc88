import { convertCheckpoint } from '../checkpoint/index.js';
import { log } from '../common/logging.js';
import { formatCount } from '../common/progress.js';
import { defineCommand } from './command.js';

export const convert = defineCommand({
  command: 'convert <in> <out>',
  describe: 'Write the weights of a checkpoint as .pth or .safetensors',
  positionals: {
    in: {
      type: 'string',
      demandOption: true,
      describe: 'A .pth file, new or legacy, or a .safetensors file',
    },
    out: { type: 'string', demandOption: true, describe: 'Ends in .pth, .pt, .bin or .safetensors' },
  },
  options: {
    dtype: {
      choices: ['float32', 'float16', 'bfloat16'] as const,
      requiresArg: true,
      describe: 'What floating-point numbers become; as they are unless given',
    },
  },
  examples: [
    ['lavis convert checkpoint_best.pth blip.safetensors', 'for tools that read safetensors'],
    ['lavis convert checkpoint_best.pth small.pth --dtype float16', 'half the size, for torch.load too'],
  ],
  epilogue: 'Weights alone go over: optimizer, configuration and epoch stay behind.',
  async handler(args) {
    const { tensors, elements, leftOut } = await convertCheckpoint(args.in, args.out, { dtype: args.dtype });
    for (const [name, kind] of leftOut ?? []) log.warn(`${name} is left out: it is ${kind}`);
    console.log(`${args.out}: ${tensors} tensors, ${formatCount(elements)} numbers`);
  },
});
