import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openCheckpoint, savedState, saveTorch } from '#src/checkpoint/index.js';
import { setupEngine } from '#src/engine/index.js';
import { BlipCaption } from '#src/models/index.js';
import { tinySection } from '../models/tiny.js';
import { fixtureJson, temporaryFolder } from '../support.js';

test("a captioner of BLIP large is written with the names and shapes of BLIP's own code, which kohya's script loads", async () => {
  const theirs = fixtureJson<{ count: number; names: Record<string, number[]> }>(
    'checkpoints',
    'blip_large_names.json',
  );
  await setupEngine({ device: 'cpu' });
  const narrow = {
    ...{ hidden_size: 16, intermediate_size: 48, num_attention_heads: 2, num_hidden_layers: 12 },
    ...{ vocab_size: 284, max_position_embeddings: 40, encoder_width: 24 },
  };
  const vit = { vit_embed_dim: 24, vit_depth: 24, vit_num_heads: 2, vit_patch_size: 16, image_size: 32 };
  const model = await BlipCaption.fromConfig(tinySection(vit, narrow));
  const path = join(temporaryFolder(), 'checkpoint_best.pth');
  await saveTorch(path, { model: savedState(model.stateDict()) });
  model.dispose();
  const checkpoint = await openCheckpoint(path);
  const ours: Record<string, number[]> = {};
  for (const [name, { shape }] of checkpoint.stateDict()) {
    const pattern = name.replace(/\.(blocks|layer)\.\d+\./, '.$1.*.');
    ours[pattern] = [(ours[pattern]?.[0] ?? 0) + 1, ...shape];
  }
  await checkpoint.close();
  assert.equal(
    Object.values(ours).reduce((sum, [times]) => sum + times, 0),
    theirs.count,
  );
  assert.deepEqual(ours, theirs.names);
});
