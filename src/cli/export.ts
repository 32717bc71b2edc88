import { defineCommand } from './command.js';
import { checkpointModelOptions, checkpointModelSource } from './model_options.js';

export const exportCommand = defineCommand({
  positionals: {
    checkpoint: {
      type: 'string',
      demandOption: true,
      describe: 'A .pth or .safetensors file, a folder of Hugging Face, or hf:OWNER/NAME',
    },
    folder: { type: 'string', demandOption: true, describe: 'Where the files go' },
  },
  options: {
    format: {
      choices: ['onnx'] as const,
      default: 'onnx' as const,
      requiresArg: true,
      describe: 'onnx: what transformers.js and ONNX Runtime load',
    },
    dtype: {
      choices: ['fp32', 'fp16', 'q8'] as const,
      array: true,
      default: ['fp32'] as const,
      requiresArg: true,
      describe:
        'Numbers of the weights; several write several files, and the first is what is loaded unasked',
    },
    ...checkpointModelOptions,
  },
  examples: [
    ['lavis export checkpoint_best.pth web --format onnx --dtype q8', 'a quarter of the size, for a page'],
    ['lavis export checkpoint_best.pth web --dtype fp32 fp16 q8', 'all three, to compare them'],
    [
      'lavis export blip_coco_caption_base.pth web --model blip_caption --model-type base_coco --dtype q8',
      'of weights without a record',
    ],
  ],
  epilogue:
    "transformers.js: pipeline('image-to-text', FOLDER). Without it: captioner.js in the folder, over onnxruntime-node or -web.",
  async handler(args) {
    const { exportModel } = await import('../export/index.js');
    const { loadCheckpointModel } = await import('../inference/index.js');
    const { checkpoint, ...source } = args;
    const named = await checkpointModelSource(source);
    const { model, preprocessing, generation } = await loadCheckpointModel(checkpoint, named);
    try {
      const options = { format: args.format, dtypes: [...args.dtype], ...preprocessing, generation };
      const files = await exportModel(model, args.folder, options);
      console.log(`${args.folder}: ${files.join(', ')}`);
    } finally {
      model.dispose();
    }
  },
});
