import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type HostTensor, toFloat32 } from '#src/common/host_tensor.js';
import { setupEngine, tf } from '#src/engine/index.js';
import type { BlipCaption } from '#src/models/index.js';
import { fixtureJson } from '../support.js';
import { images, readTensors, tinyModel } from './tiny.js';

describe('the tiny model of the reference with 8-bit weights', () => {
  let model: BlipCaption;
  let pictures: HostTensor;

  before(async () => {
    await setupEngine({ device: 'cpu' });
    model = (await tinyModel()).eval();
    pictures = (await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!;
    model.quantize();
  });
  after(() => model.dispose());

  it('gives the logits of the reference but for rounding', async () => {
    const { texts } = fixtureJson<{ texts: string[] }>('tiny_caption', 'forward.json');
    const expected = toFloat32((await readTensors('tiny_caption', 'forward.safetensors')).get('logits')!);
    const batch = images(pictures);
    const { loss, intermediateOutput } = model.forward({ image: batch, text_input: texts });
    const { logits } = intermediateOutput.decoderOutput;
    const actual = logits.dataSync();
    const length = (values: ArrayLike<number>) => Math.hypot(...Array.from(values));
    const apart = length(Array.from(actual, (value, i) => value - expected[i])) / length(expected);
    assert.ok(apart > 1e-5, `${apart} of the logits' length: nothing was rounded`);
    assert.ok(apart < 0.08, `${apart} of the logits' length`);
    tf.dispose([batch, loss, logits, intermediateOutput.imageEmbeds]);
  });

  it('says the same of an image whatever stands beside it in the batch', async () => {
    const batch = images(pictures);
    const options = { numBeams: 3, maxLength: 12, minLength: 4 };
    const together = await model.generate({ image: batch }, options);
    for (const [i, caption] of together.entries()) {
      const alone = batch.slice([i, 0, 0, 0], [1, -1, -1, -1]);
      assert.deepEqual(await model.generate({ image: alone }, options), [caption]);
      alone.dispose();
    }
    batch.dispose();
  });

  it('has no weight of a linear layer among its state', () => {
    const names = [...model.stateDict().keys()];
    assert.ok(names.includes('visual_encoder.blocks.0.attn.qkv.bias'));
    assert.ok(!names.includes('visual_encoder.blocks.0.attn.qkv.weight'));
    assert.ok(names.includes('text_decoder.bert.embeddings.word_embeddings.weight'));
  });
});
