import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { ConfigError } from '#src/common/errors.js';
import type { HostTensor } from '#src/common/host_tensor.js';
import { setupEngine, tf, valueAndGrads } from '#src/engine/index.js';
import { BlipPretrain } from '#src/models/index.js';
import { fixtureJson } from '../support.js';
import { familyModel } from './family.js';
import { images, readTensors, tinyModel } from './tiny.js';
import { assertNear, texts, train } from './train_tiny.js';

interface Frozen {
  cases: { what: string; freeze: string[]; trained: number; loss: number[] }[];
}

describe('frozen parts', () => {
  const { cases } = fixtureJson<Frozen>('frozen_caption', 'train_steps.json');
  const { batch_rows } = fixtureJson<{ batch_rows: number[][] }>('tiny_caption', 'train_steps.json');
  let image: HostTensor;

  before(async () => {
    await setupEngine();
    image = (await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!;
  });

  for (const { what, freeze, trained, loss } of cases) {
    it(`train as PyTorch does without a gradient for them: ${what}`, async () => {
      const model = await tinyModel({ freeze });
      const size = [...model.namedParameters().values()].reduce((sum, { size }) => sum + size, 0);
      assert.equal(size, trained);
      const frozen = [...model.frozenParameters()].map(([name, value]) => [name, value.dataSync().slice()]);
      assertNear(train(model, image, batch_rows.slice(0, 5), 1), loss, 1e-4);
      const after = [...model.frozenParameters()].map(([name, value]) => [name, value.dataSync().slice()]);
      assert.deepEqual(after, frozen);
      model.dispose();
    });
  }

  it('keep no activations and ask for no gradient: a frozen image encoder leaves its result alone', async () => {
    const model = await tinyModel({ freeze_vit: true });
    const batch = images(image);
    const kept = (parameters: Map<string, tf.Variable>) => {
      let tensors = 0;
      const { value, grads } = valueAndGrads(() => {
        const before = tf.memory().numTensors;
        const embeds = tf.tidy(() => model.visualEncoder.forward(batch));
        tensors = tf.memory().numTensors - before;
        return embeds.sum() as tf.Scalar;
      }, parameters);
      tf.dispose([value, ...grads.values()]);
      return tensors;
    };
    assert.equal(kept(model.namedParameters()), 1);
    assert.ok(kept(model.visualEncoder.frozenParameters()) > 30); // what it is without freezing
    tf.dispose(batch);
    model.dispose();
  });

  it('drop nothing out and skip no block, while the rest does', async () => {
    const noisy = { vit_drop_path_rate: 0.9 };
    const differ = async (freeze: string[]) => {
      const model = (await tinyModel({ ...noisy, freeze })).train();
      const batch = images(image);
      const run = () => model.forward({ image: batch, text_input: texts }).loss.dataSync()[0];
      const losses = new Set<number>();
      tf.tidy(() => {
        for (let i = 0; i < 4; i++) losses.add(run());
      });
      batch.dispose();
      model.dispose();
      return losses.size > 1;
    };
    assert.equal(await differ([]), true);
    assert.equal(await differ(['visual_encoder']), false);
    assert.equal(await differ(['visual_encoder.blocks.{1..2}']), false); // block 0 has no stochastic depth
    assert.equal(await differ(['visual_encoder.blocks.1']), true);
  });

  it('keep the momentum copy of a frozen image encoder still, too', async () => {
    const model = await familyModel(BlipPretrain, 'tiny_pretrain', { freeze_vit: true });
    assert.ok([...model.namedParameters().keys()].every((name) => !name.startsWith('visual_encoder')));
    model.momentum.update();
    const modules = new Map(model.namedModules());
    assert.ok(modules.get('visual_encoder_m')!.isStill);
    assert.ok(!modules.get('text_encoder_m')!.isStill);
    model.dispose();
  });

  it('name what there is: a pattern that matches nothing is an error', async () => {
    await assert.rejects(
      () => tinyModel({ freeze: ['vision_encoder'] }),
      (error: ConfigError) => {
        assert.ok(error instanceof ConfigError);
        assert.match(
          error.message,
          /model\.freeze names no part .*'vision_encoder'; did you mean 'visual_encoder'/s,
        );
        return true;
      },
    );
    await assert.rejects(() => tinyModel({ freeze: ['*'] }), /nothing is left to train/);
  });
});
