import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { setupEngine } from '#src/engine/index.js';
import { BlipCaption } from '#src/models/index.js';
import { tinySection } from './tiny.js';

before(() => setupEngine({ device: 'cpu' }));

test('positions that start from sines and cosines are alike for neighbours, well apart all the same, and still learned', async () => {
  const model = await BlipCaption.fromConfig(
    tinySection({ vit_sincos_positions: true, vit_embed_dim: 32 }, { encoder_width: 32 }),
  );
  const positions = model.namedParameters().get('visual_encoder.pos_embed')!;
  assert.ok(positions.trainable);
  const rows = positions.squeeze([0]).arraySync() as number[][]; // [1 + 16, 32]
  const product = (a: number, b: number) => rows[a].reduce((sum, value, i) => sum + value * rows[b][i], 0);
  assert.ok(
    rows[0].every((value) => value === 0),
    'the class token has no place',
  );
  const first = 1;
  assert.ok(product(first, first) > product(first, first + 1));
  assert.ok(product(first, first + 1) > product(first, first + 3), 'along a row');
  assert.ok(product(first, first + 4) > product(first, first + 12), 'along a column');
  assert.equal(product(first, first + 1).toFixed(5), product(first, first + 4).toFixed(5));
  const norm = Math.sqrt(product(first, first));
  for (let a = first; a <= 16; a++) {
    for (let b = a + 1; b <= 16; b++) {
      const apart = Math.hypot(...rows[a].map((value, i) => value - rows[b][i]));
      assert.ok(apart > 0.7 * norm, `places ${a} and ${b} are ${apart} apart of ${norm}`);
    }
  }
});
