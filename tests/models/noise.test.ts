import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { HostTensor } from '#src/common/host_tensor.js';
import type { PlainObject } from '#src/config/index.js';
import { setupEngine, tf, valueAndGrads } from '#src/engine/index.js';
import { BlipCaption, blipSchema, vitConfigOf } from '#src/models/index.js';
import { fixture, fixtureJson } from '../support.js';
import { images, readTensors, tinySection } from './tiny.js';

const { texts } = fixtureJson<{ texts: string[] }>('tiny_caption', 'forward.json');

/** The fixture's weights in a model with stochastic depth and dropout. */
async function noisyModel(overrides: Record<string, unknown> = {}): Promise<BlipCaption> {
  const noise = { attention_probs_dropout_prob: 0.1, hidden_dropout_prob: 0.1 };
  const section = tinySection({ vit_drop_path_rate: 0.5, ...overrides }, noise);
  return BlipCaption.fromConfig({
    ...section,
    load_finetuned: true,
    finetuned: fixture('tiny_caption', 'weights.safetensors'),
  });
}

describe('dropout and stochastic depth', () => {
  let image: HostTensor;

  before(async () => {
    await setupEngine();
    image = (await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!;
  });

  const lossOf = (model: BlipCaption) =>
    tf.tidy(() => model.forward({ image: images(image), text_input: texts }).loss.dataSync()[0]);

  it('are drawn from the generator of the model, whose state can be restored', async () => {
    const model = (await noisyModel()).train();
    model.seed(7);
    const first = lossOf(model);
    const state = model.rngState();
    const second = lossOf(model);
    assert.notEqual(first, second);
    model.restoreRngState(state);
    assert.equal(lossOf(model), second);
    model.seed(7);
    assert.equal(lossOf(model), first);
    model.dispose();
  });

  it('are off in evaluation', async () => {
    const model = (await noisyModel()).eval();
    assert.ok(Math.abs(lossOf(model) - 4.173054218292236) <= 1e-5);
    assert.equal(lossOf(model), lossOf(model));
    model.dispose();
  });

  it('give the same gradients whether blocks keep all or only their input', async () => {
    const batch = images(image);
    const run = async (overrides: Record<string, unknown>) => {
      const model = (await noisyModel(overrides)).train();
      model.seed(3);
      const { value, grads } = valueAndGrads(
        () => model.forward({ image: batch, text_input: texts }).loss,
        model.namedParameters(),
      );
      const values = new Map([...grads].map(([name, grad]) => [name, grad.dataSync()]));
      tf.dispose([value, ...grads.values()]);
      model.dispose();
      return values;
    };
    const kept = await run({});
    const recomputed = await run({ vit_grad_ckpt: true, vit_ckpt_layer: 3 });
    assert.deepEqual([...recomputed.keys()].sort(), [...kept.keys()].sort());
    for (const [name, grad] of kept) assert.deepEqual(recomputed.get(name), grad, name);
    batch.dispose();
  });

  it('are 0.1 in the last block of large, whatever the section says, and off elsewhere unless asked for', () => {
    const vit = (section: PlainObject) => vitConfigOf(blipSchema.parse(section));
    assert.equal(vit({ vit_type: 'large', vit_drop_path_rate: 0.3 }).dropPathRate, 0.1);
    assert.equal(vit({ vit_type: 'base' }).dropPathRate, 0);
    assert.equal(vit({ vit_type: 'base', vit_drop_path_rate: 0.2 }).dropPathRate, 0.2);
    const { width, depth, heads, recomputedBlocks } = vit({
      vit_type: 'large',
      vit_grad_ckpt: true,
      vit_ckpt_layer: 5,
    });
    assert.deepEqual([width, depth, heads, recomputedBlocks], [1024, 24, 16, 5]);
  });
});
