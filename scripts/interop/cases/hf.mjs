/**
 * A captioner that was trained here in Hugging Face's transformers 4 and 5, and the folder that they save here: keys that are
 * missing or unexpected, the largest differences of logits (at most 1e-4), greedy captions (equal).
 *
 *     node scripts/interop/index.mjs hf --checkpoint checkpoint_best.pth [--cfg-path run.yaml] [--photos FOLDER]
 *
 * Without photos it draws scenes. PyTorch and the newest transformers 4 and 5 are installed below --folder, once.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadCheckpointModel } from '../../../dist/inference/index.js';
import { captionerOptions, captionSome } from '../lib/captioner.mjs';
import { farthest, logitsOf, readLogits, saveInputs } from '../lib/logits.mjs';
import { askPython, lavis, programOptions, pythonPackages, torchPython } from '../lib/programs.mjs';
import { conclude, must } from '../lib/verdicts.mjs';

const { values: args } = parseArgs({ options: { ...programOptions, ...captionerOptions } });

const python = torchPython(args);
const versions = [
  pythonPackages(args, python, 't4', ['transformers>=4,<5']),
  pythonPackages(args, python, 't5', ['transformers>=5,<6']),
];
const folder = mkdtempSync(join(tmpdir(), 'lavis-interop-'));
try {
  const captioned = await captionSome(args, folder);
  const { model, image, texts, encoded, ids } = captioned;
  const config = args['cfg-path'] ? ['--cfg-path', args['cfg-path']] : [];
  lavis('convert', args.checkpoint, join(folder, 'ours'), '--to', 'hf', ...config);
  const { sepId, padId } = model.tokenizer;
  const mask = await saveInputs(join(folder, 'inputs.safetensors'), captioned);
  const prompt = model.tokenizer.encode(model.prompt);
  writeFileSync(join(folder, 'texts.json'), JSON.stringify({ texts, prompt }));
  const ours = await logitsOf(model, image, texts);

  for (const version of versions) {
    rmSync(join(folder, 'theirs'), { recursive: true, force: true });
    const told = askPython(python, 'transformers_side.py', [folder], version);
    console.log(`transformers ${told.transformers}, PyTorch ${told.torch}, ${texts.length} pictures`);
    const lists = Object.entries(told.loading).filter(([, keys]) => keys.length > 0);
    must(lists.length === 0, `no key is missing, unexpected or of another size: ${JSON.stringify(lists)}`);
    must(
      JSON.stringify(told.tokens) === JSON.stringify(encoded),
      'the tokenizer of the folder gives our ids',
    );
    const difference = farthest(ours, await readLogits(join(folder, 'logits.safetensors')), mask);
    must(difference <= 1e-4, `logits differ by ${difference.toExponential(1)}`);
    const trimmed = told.greedy.map((row) => row.slice(1).filter((id) => id !== sepId && id !== padId));
    must(JSON.stringify(trimmed) === JSON.stringify(ids), 'greedy ids are equal');
    const { model: back } = await loadCheckpointModel(join(folder, 'theirs'));
    const returned = farthest(ours, await logitsOf(back, image, texts), mask);
    back.dispose();
    must(
      returned <= 1e-4,
      `the folder that transformers saved, here: logits differ by ${returned.toExponential(1)}`,
    );
  }
  model.dispose();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
conclude();
