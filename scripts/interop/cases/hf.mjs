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
import { openCheckpoint, saveSafetensors } from '../../../dist/checkpoint/index.js';
import { tf } from '../../../dist/index.js';
import { loadCheckpointModel } from '../../../dist/inference/index.js';
import { captionerOptions, captionTen } from '../lib/captioner.mjs';
import { askPython, lavis, programOptions, pythonPackages, torchPython } from '../lib/programs.mjs';
import { conclude, must } from '../lib/verdicts.mjs';

const { values: args } = parseArgs({ options: { ...programOptions, ...captionerOptions } });

/** ids and mask of [DEC] text [SEP], padded. */
function padded(rows) {
  const width = Math.max(...rows.map((row) => row.length));
  const values = (value) =>
    Int32Array.from(rows.flatMap((row) => [...Array(width).keys()].map((i) => value(row, i))));
  return { width, ids: values((row, i) => row[i] ?? 0), mask: values((row, i) => (i < row.length ? 1 : 0)) };
}

async function logitsOf(model, image, texts) {
  const out = tf.tidy(() => {
    const { loss: _, ...rest } = model.forward({ image, text_input: texts });
    return rest.intermediateOutput.decoderOutput.logits;
  });
  const values = await out.data();
  out.dispose();
  return values;
}

/** Over tokens that are not padding. */
function farthest(ours, theirs, mask) {
  const size = ours.length / mask.length;
  let worst = 0;
  for (let i = 0; i < ours.length; i++) {
    if (mask[Math.floor(i / size)]) worst = Math.max(worst, Math.abs(ours[i] - theirs[i]));
  }
  return worst;
}

async function readLogits(file) {
  const checkpoint = await openCheckpoint(file);
  const { data } = await checkpoint.stateDict().get('logits').read();
  await checkpoint.close();
  return data;
}

const python = torchPython(args);
const versions = [
  pythonPackages(args, python, 't4', ['transformers>=4,<5']),
  pythonPackages(args, python, 't5', ['transformers>=5,<6']),
];
const folder = mkdtempSync(join(tmpdir(), 'lavis-interop-'));
try {
  const { model, image, texts, encoded } = await captionTen(args, folder);
  const config = args['cfg-path'] ? ['--cfg-path', args['cfg-path']] : [];
  lavis('convert', args.checkpoint, join(folder, 'ours'), '--to', 'hf', ...config);
  const { bosId, sepId, padId } = model.tokenizer;
  const { width, ids, mask } = padded(encoded.map(([, ...rest]) => [bosId, ...rest]));
  const rows = [texts.length, width];
  const tensors = new Map([
    ['pixels', { dtype: 'float32', shape: image.shape, data: await image.data() }],
    ['ids', { dtype: 'int32', shape: rows, data: ids }],
    ['mask', { dtype: 'int32', shape: rows, data: mask }],
  ]);
  await saveSafetensors(join(folder, 'inputs.safetensors'), tensors);
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
    const expected = encoded.map((row) => row.slice(1, -1));
    must(JSON.stringify(trimmed) === JSON.stringify(expected), 'greedy ids are equal');
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
