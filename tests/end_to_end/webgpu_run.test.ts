import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { noWebGpu } from '../engine/webgpu_here.js';
import { temporaryFolder } from '../support.js';
import { jobFolder } from './lavis.js';

test('a short training on drawn scenes runs on WebGPU from the command line', { skip: noWebGpu }, () => {
  const folder = temporaryFolder();
  const med = join(folder, 'med.json');
  const wide = JSON.parse(readFileSync('configs/models/med_shapes_config.json', 'utf8')) as object;
  const narrow = { hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, encoder_width: 24 };
  writeFileSync(med, JSON.stringify({ ...wide, ...narrow }));
  const options = [
    `run.output_dir=${join(folder, 'out')}`,
    'run.max_epoch=1',
    'run.batch_size_train=4',
    'run.batch_size_eval=2',
    'run.num_beams=1',
    'run.max_len=8',
    'run.warmup_steps=1',
    'run.init_lr=1e-2',
    'run.log_freq=1',
    'model.vit_embed_dim=24',
    'model.vit_depth=1',
    'model.vit_num_heads=2',
    `model.med_config_path=${med}`,
    ...['train=12', 'val=2', 'test=2'].map((split) => `datasets.shapes_caption.build_info.scenes.${split}`),
  ];
  const { status, stderr } = spawnSync(
    process.execPath,
    [
      'bin/lavis.js',
      'train',
      '--cfg-path',
      'projects/blip/train/caption_shapes.yaml',
      '--device',
      'webgpu',
      '--options',
      ...options,
    ],
    { env: { ...process.env, LAVIS_CACHE_ROOT: join(folder, 'cache') }, encoding: 'utf8' },
  );
  assert.equal(status, 0, stderr);
  assert.match(stderr, /^webgpu: WebGPU on /m);
  const losses = [...stderr.matchAll(/ loss ([\d.]+) /g)].map(([, loss]) => Number(loss));
  assert.ok(losses.at(-1)! < losses[0] - 0.3, String(losses));
  const job = jobFolder(join(folder, 'out'));
  assert.ok(existsSync(join(job, 'checkpoint_best.pth')));
  const lines = readFileSync(join(job, 'metrics.jsonl'), 'utf8').trim().split('\n');
  const steps = lines.map((line) => JSON.parse(line) as { kind: string; grad_norm?: number });
  const norms = steps.filter(({ kind }) => kind === 'step').map(({ grad_norm }) => grad_norm);
  assert.equal(norms.length, losses.length);
  assert.ok(
    norms.every((norm) => norm! > 0),
    String(norms),
  );
});
