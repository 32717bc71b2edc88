/**
 * Adapters that are trained here, in PEFT; PEFT's, here: the largest differences of logits, which must be at most 1e-4.
 *
 *     pip install torch transformers peft                  # into the Python that --python names
 *     npx tsc -b tests && node scripts/interop/index.mjs peft --python python3
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readAll } from '../../../build/tests/checkpoint/support.js';
import { maxDifference, readTensors, tinyModel } from '../../../build/tests/models/tiny.js';
import { logitsOf, train } from '../../../build/tests/models/train_tiny.js';
import { setupEngine } from '../../../dist/engine/index.js';

const { values: args } = parseArgs({ options: { python: { type: 'string', default: 'python3' } } });
const TARGETS = {
  text: ['query', 'key', 'value', 'dense'],
  vision: ['qkv', 'proj', 'fc1', 'fc2'],
  paths: ['visual_encoder.blocks.1.attn.qkv', 'layer.0.crossattention.self.value'],
};
const THEIRS = ['text', 'vision', 'patterns', 'regex', 'whole'];
const BATCHES = [
  [0, 1],
  [2, 3],
  [1, 2],
];

const folder = mkdtempSync(join(tmpdir(), 'lavis-peft-'));
let worst = 0;
function tell(what, difference) {
  worst = Math.max(worst, difference);
  console.log(`${what}: ${difference.toExponential(1)}`);
}
try {
  await setupEngine({ device: 'cpu' });
  const image = (await readTensors('tiny_caption', 'inputs.safetensors')).get('image');
  const trained = new Map();
  for (const [name, target_modules] of Object.entries(TARGETS)) {
    const model = await tinyModel({ lora: { r: 4, alpha: 16, dropout: 0.1, target_modules } });
    train(model, image, BATCHES, 1);
    const place = join(folder, `ours_${name}`);
    mkdirSync(place);
    await model.adapter.save(place);
    trained.set(name, await logitsOf(model.eval()));
    model.dispose();
  }
  const side = join(dirname(fileURLToPath(import.meta.url)), '../peers/peft_side.py');
  const versions = execFileSync(args.python, [side, folder], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  console.log(versions.trim());

  const plain = await tinyModel();
  const base = await logitsOf(plain.eval());
  plain.dispose();
  const theirLogits = async (name) =>
    (await readAll(join(folder, `${name}.logits.safetensors`))).get('logits');
  for (const [name, ours] of trained) {
    const theirs = await theirLogits(`ours_${name}`);
    if ((await maxDifference(base, theirs)) < 1e-2) throw new Error(`${name}: the adapter does nothing`);
    tell(`trained here, in PEFT (${name})`, await maxDifference(ours, theirs));
  }
  for (const name of THEIRS) {
    const theirs = await theirLogits(`theirs_${name}`);
    if ((await maxDifference(base, theirs)) < 1e-2) throw new Error(`${name}: the adapter does nothing`);
    const model = (await tinyModel()).eval();
    await model.loadAdapter(join(folder, `theirs_${name}`));
    tell(`made by PEFT, here (${name})`, await maxDifference(await logitsOf(model), theirs));
    model.dispose();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (worst > 1e-4) throw new Error(`differences of ${worst}`);
