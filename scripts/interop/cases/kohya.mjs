/**
 * BLIP large, trained here for a step, in the caption script of kohya's sd-scripts (finetune/make_captions.py), whose model is
 * salesforce/BLIP's code: names and shapes of all weights, logits (at most 1e-3 apart, of values up to some 10).
 *
 *     git clone https://github.com/kohya-ss/sd-scripts
 *     node scripts/interop/index.mjs kohya --sd-scripts sd-scripts [--vocabulary vocab.txt] [--checkpoint checkpoint_best.pth]
 *
 * Needs bert-base-uncased's vocabulary (in the cache, or named), and some 12 GB of memory. PyTorch, transformers 4.54, timm and
 * fairscale are installed below --folder, once. With --checkpoint: that one, of a run of large_coco, in place of the step.
 */
import { copyFileSync, linkSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { vocabularyItem } from '../../../dist/models/index.js';
import { captionSome } from '../lib/captioner.mjs';
import { farthest, logitsOf, readLogits, saveInputs } from '../lib/logits.mjs';
import { askPython, lavis, programOptions, pythonPackages, torchPython } from '../lib/programs.mjs';
import { conclude, must } from '../lib/verdicts.mjs';

const { values: args } = parseArgs({
  options: {
    ...programOptions,
    'sd-scripts': { type: 'string' },
    vocabulary: { type: 'string', default: vocabularyItem().path },
    checkpoint: { type: 'string' },
  },
});
if (!args['sd-scripts']) throw new Error('--sd-scripts names a clone of github.com/kohya-ss/sd-scripts');

const YAML = `
model: { arch: blip_caption, model_type: large_coco, load_finetuned: False, load_pretrained: False,
  freeze: [visual_encoder, text_decoder.bert] }
datasets:
  shapes_caption:
    vis_processor:
      train: { name: blip_image_eval, image_size: 384 }
      eval: { name: blip_image_eval, image_size: 384 }
    text_processor:
      train: { name: blip_caption, prompt: "a picture of " }
      eval: { name: blip_caption }
    build_info: { scenes: { train: 2, val: 2, test: 2 } }
run: { task: captioning, lr_sched: linear_warmup_cosine_lr, init_lr: 1e-3, min_lr: 0, weight_decay: 0.05, max_epoch: 1,
  batch_size_train: 2, batch_size_eval: 2, num_workers: 0, train_splits: [train], valid_splits: [], test_splits: [] }
`;

const python = torchPython(args);
const packages = pythonPackages(
  args,
  python,
  'kohya',
  ['transformers==4.54.1', 'huggingface-hub==0.34.3'],
  ['timm', 'fairscale==0.4.13'],
);
const folder = mkdtempSync(join(tmpdir(), 'lavis-interop-'));
try {
  const yaml = join(folder, 'large.yaml');
  writeFileSync(yaml, YAML);
  const options = [`model.tokenizer=${resolve(args.vocabulary)}`, `run.output_dir=${folder}`];
  if (!args.checkpoint) {
    lavis('train', '--cfg-path', yaml, '--device', 'cpu', '--job-id', 'step', '--options', ...options);
  }
  const checkpoint = args.checkpoint ?? join(folder, 'step', 'checkpoint_0.pth');
  linkSync(checkpoint, join(folder, 'checkpoint.pth'));
  copyFileSync(args.vocabulary, join(folder, 'vocab.txt'));

  const captioned = await captionSome({ 'cfg-path': yaml, checkpoint, options }, folder, 2);
  const { model, image, texts } = captioned;
  const mask = await saveInputs(join(folder, 'inputs.safetensors'), captioned);
  const ours = await logitsOf(model, image, texts);
  model.dispose();
  const told = askPython(python, 'kohya_side.py', [resolve(args['sd-scripts']), folder], packages);
  console.log(`transformers ${told.transformers}, PyTorch ${told.torch}, ${told.names} names`);
  must(
    told.missing.length + told.unexpected.length + told.shapes.length === 0,
    `no name is missing, unexpected or of another shape: ${JSON.stringify([told.missing, told.unexpected, told.shapes])}`,
  );
  const difference = farthest(ours, await readLogits(join(folder, 'logits.safetensors')), mask);
  must(difference <= 1e-3, `logits differ by ${difference.toExponential(1)}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
conclude();
