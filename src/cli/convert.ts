import { log } from '../common/logging.js';
import { formatCount } from '../common/words.js';
import { defineCommand, UsageError } from './command.js';
import { checkpointModelOptions, checkpointModelSource, type ModelArguments } from './model_options.js';

const DTYPES = ['float32', 'float16', 'bfloat16'] as const;
type DType = (typeof DTYPES)[number];

export const convert = defineCommand({
  positionals: {
    in: {
      type: 'string',
      demandOption: true,
      describe:
        'A .pth or .safetensors file, an index of several, a folder of Hugging Face, or hf:OWNER/NAME',
    },
    out: {
      type: 'string',
      demandOption: true,
      describe: 'Ends in .pth, .pt, .bin or .safetensors; with --to hf, a folder',
    },
  },
  options: {
    to: {
      choices: ['hf', 'lavis'] as const,
      requiresArg: true,
      describe:
        "hf: a folder that transformers loads; lavis: a .pth with LAVIS's and BLIP's own names. Names stay unless given",
    },
    dtype: {
      choices: DTYPES,
      requiresArg: true,
      describe: 'What floating-point numbers become; as they are unless given',
    },
    ...checkpointModelOptions,
  },
  examples: [
    ['lavis convert checkpoint_best.pth blip.safetensors', 'for tools that read safetensors'],
    ['lavis convert checkpoint_best.pth small.pth --dtype float16', 'half the size, for torch.load too'],
    ['lavis convert checkpoint_best.pth my-blip --to hf', 'a folder for from_pretrained, with a model card'],
    [
      'lavis convert blip_coco_caption_base.pth my-blip --to hf --model blip_caption --model-type base_coco',
      'of weights without a record',
    ],
    [
      'lavis convert hf:Salesforce/blip-image-captioning-large blip.pth --to lavis',
      "for LAVIS, BLIP's own code and what is built on it",
    ],
    ['lavis convert base.pth merged.pth --adapter adapter_best', 'weights with an adapter in them'],
  ],
  epilogue: 'Weights alone go over: optimizer, configuration and epoch stay behind.',
  async handler(args) {
    if (args.to) return convertModel(args.in, args.out, args.to, args.dtype, args);
    const { convertCheckpoint, openPeftAdapter } = await import('../checkpoint/index.js');
    const { mergedTensors } = await import('../models/index.js');
    const adapter = args.adapter === undefined ? undefined : await openPeftAdapter(args.adapter);
    const { tensors, elements, leftOut } = await convertCheckpoint(args.in, args.out, {
      dtype: args.dtype,
      replace: adapter && ((state) => mergedTensors(adapter, state)),
    }).finally(() => adapter?.close());
    for (const [name, kind] of leftOut ?? []) log.warn(`${name} is left out: it is ${kind}`);
    console.log(`${args.out}: ${tensors} tensors, ${formatCount(elements)} numbers`);
  },
});

/** Builds the model, which tells its names, and writes it. */
async function convertModel(
  from: string,
  to: string,
  layout: 'hf' | 'lavis',
  dtype: DType | undefined,
  args: ModelArguments,
): Promise<void> {
  if (layout === 'lavis' && !/\.(pth|pt|bin)$/.test(to))
    throw new UsageError(`--to lavis writes a .pth, not ${to}`);
  if (layout === 'lavis' && dtype) throw new UsageError('--dtype goes with --to hf, or without --to');
  const { savedState, saveTorch } = await import('../checkpoint/index.js');
  const { exportModel } = await import('../export/index.js');
  const { loadCheckpointModel } = await import('../inference/index.js');
  const { model, preprocessing, generation, card } = await loadCheckpointModel(
    from,
    await checkpointModelSource(args),
  );
  try {
    if (layout === 'lavis') {
      const state = savedState(model.stateDict());
      await saveTorch(to, { model: state });
      console.log(`${to}: ${state.size} tensors under LAVIS's names`);
    } else {
      const files = await exportModel(model, to, { format: 'hf', dtype, ...preprocessing, generation, card });
      console.log(`${to}: ${files.join(', ')}`);
    }
  } finally {
    model.dispose();
  }
}
