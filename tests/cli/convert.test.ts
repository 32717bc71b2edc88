import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type CheckpointValue, openCheckpoint, saveTorch } from '#src/checkpoint/index.js';
import { readAll } from '../checkpoint/support.js';
import { tinySection } from '../models/tiny.js';
import { fixture, temporaryFolder } from '../support.js';

const folder = temporaryFolder();
const weights = fixture('tiny_caption', 'weights.pth');

function lavis(...argv: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['bin/lavis.js', ...argv], {
    encoding: 'utf8',
    env: { ...process.env, LAVIS_DEBUG: '' },
  });
  return { status, stdout, stderr };
}

test("a run's checkpoint becomes a folder for transformers with its record, and that a file for LAVIS again", async () => {
  const checkpoint = await openCheckpoint(weights);
  const config = {
    model: tinySection({ finetuned: 'https://example.org/start.pth', load_finetuned: true }),
    datasets: {
      photos: { vis_processor: { eval: { name: 'blip_image_eval', mean: [0.5, 0.5, 0.5], std: [1, 1, 1] } } },
    },
    run: { max_len: 24, min_len: 4, num_beams: 5, init_lr: 1e-5 },
  };
  const trained = join(folder, 'checkpoint_best.pth');
  await saveTorch(trained, { model: checkpoint.stateDict(), config: config as CheckpointValue });
  await checkpoint.close();
  const record = {
    started: '2026-01-01T00:00:00.000Z',
    command: ['lavis', 'train'],
    config: [],
    environment: { engine: 'cpu' },
    metrics: { primary: 'CIDEr', shown: ['Bleu_4'] },
  };
  writeFileSync(join(folder, 'run.json'), JSON.stringify(record));
  const line = {
    kind: 'evaluation',
    split: 'val',
    epoch: 3,
    iteration: 9,
    time: 1,
    CIDEr: 1.25,
    Bleu_4: 0.5,
    n: 4,
  };
  writeFileSync(join(folder, 'metrics.jsonl'), `${JSON.stringify(line)}\n`);

  const to = join(folder, 'hf');
  const { status, stdout, stderr } = lavis('convert', trained, to, '--to', 'hf');
  assert.equal(status, 0, stderr);
  assert.match(stdout, /model\.safetensors, config\.json/);
  const card = readFileSync(join(to, 'README.md'), 'utf8');
  for (const told of [
    'Started from https://example.org/start.pth',
    'Data: photos',
    'Begun 2026-01-01',
    '`lavis train`',
    '| init_lr | 0.00001 |',
    '| CIDEr | 1.25 |',
    '| Bleu_4 | 0.5 |',
    "text='a picture of'",
  ]) {
    assert.ok(card.includes(told), `${told}\n${card}`);
  }
  const read = (name: string) => JSON.parse(readFileSync(join(to, name), 'utf8'));
  assert.deepEqual(read('preprocessor_config.json').image_mean, [0.5, 0.5, 0.5]);
  assert.equal(read('generation_config.json').max_length, 24);

  const back = join(folder, 'back.pth');
  assert.equal(lavis('convert', to, back, '--to', 'lavis').status, 0);
  assert.deepEqual(new Map([...(await readAll(back))].sort()), new Map([...(await readAll(weights))].sort()));
});

test('weights without a record ask for their model, and a name that is not a file of PyTorch is refused', () => {
  const bare = fixture('tiny_caption', 'weights.safetensors');
  const { status, stderr } = lavis('convert', bare, join(folder, 'no'), '--to', 'hf');
  assert.equal(status, 1);
  assert.match(stderr, /has no record of its model\n.*--cfg-path FILE of its run, or --model NAME/);
  assert.equal(lavis('convert', weights, join(folder, 'no.safetensors'), '--to', 'lavis').status, 2);
});
