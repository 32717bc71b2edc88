import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { convertCheckpoint, openCheckpoint } from '#src/checkpoint/index.js';
import { CheckpointError } from '#src/common/errors.js';
import { fixture, temporaryFolder } from '../support.js';
import { readAll } from './support.js';

const folder = temporaryFolder();
const weights = fixture('tiny_caption', 'weights.pth');

test('.pth to .safetensors and back changes nothing', async () => {
  const safe = join(folder, 'w.safetensors');
  const back = join(folder, 'w.pth');
  assert.deepEqual(await convertCheckpoint(weights, safe), { tensors: 106, elements: 115308 });
  await convertCheckpoint(safe, back);
  assert.deepEqual(new Map([...(await readAll(back))].sort()), new Map([...(await readAll(weights))].sort()));
});

test('float16 comes out as PyTorch makes it', async () => {
  for (const to of ['half.pth', 'half.safetensors']) {
    await convertCheckpoint(weights, join(folder, to), { dtype: 'float16' });
    const half = await readAll(join(folder, to));
    for (const [name, tensor] of await readAll(fixture('tiny_caption', 'weights_half.pth'))) {
      assert.deepEqual(half.get(name), tensor, name);
    }
  }
  await convertCheckpoint(join(folder, 'half.pth'), join(folder, 'whole.pth'), { dtype: 'float32' });
  const whole = await readAll(join(folder, 'whole.pth'));
  assert.equal(whole.get('visual_encoder.cls_token')!.dtype, 'float32');
  assert.equal(whole.get('text_decoder.bert.embeddings.position_ids')!.dtype, 'int64');
});

test('tied weights stay tied in a PyTorch file', async () => {
  const path = join(folder, 'tied.pth');
  await convertCheckpoint(weights, path, { dtype: 'bfloat16' });
  const checkpoint = await openCheckpoint(path);
  const state = checkpoint.stateDict();
  const embedding = state.get('text_decoder.bert.embeddings.word_embeddings.weight')!;
  assert.equal(state.get('text_decoder.cls.predictions.decoder.weight')!.identity, embedding.identity);
  await checkpoint.close();
});

test('a name that tells no format is refused', async () => {
  await assert.rejects(convertCheckpoint(weights, join(folder, 'weights')), CheckpointError);
});
