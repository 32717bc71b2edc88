import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it, test } from 'node:test';
import { saveSafetensors } from '#src/checkpoint/index.js';
import { CheckpointError, ConfigError, DataError } from '#src/common/errors.js';
import type { HostTensor } from '#src/common/host_tensor.js';
import { registry } from '#src/common/registry.js';
import { setupEngine, tf } from '#src/engine/index.js';
import {
  BlipCaption,
  captionModel,
  interpolatePosEmbed,
  loadModel,
  type Model,
  type ModelClass,
  modelZoo,
} from '#src/models/index.js';
import { fixture, fixtureJson, temporaryFolder } from '../support.js';
import { images, maxDifference, readTensors, tinyModel, tinySection } from './tiny.js';

interface PosEmbedCases {
  cases: { key: string; grid_out: number; unchanged_object: boolean }[];
  load_from_pretrained: { new_image_size: number; missing_keys: string[]; unexpected_keys: string[] };
  foreign_checkpoint: { missing_keys: string[]; unexpected_keys: string[] };
}

const posEmbed = fixtureJson<PosEmbedCases>('pos_embed', 'cases.json');
const { texts, loss: expectedLoss } = fixtureJson<{ texts: string[]; loss: number }>(
  'tiny_caption',
  'forward.json',
);
const weights = (format: string) => fixture('tiny_caption', `weights${format}`);

before(() => setupEngine());

test('position embeddings are interpolated as PyTorch does it', async () => {
  const tensors = await readTensors('pos_embed', 'cases.safetensors');
  for (const { key, grid_out, unchanged_object } of posEmbed.cases) {
    const given = tensors.get(`${key}.in`)!;
    const result = interpolatePosEmbed(given, 1 + grid_out ** 2);
    assert.equal(result === given, unchanged_object, key);
    const expected = tensors.get(`${key}.out`)!;
    assert.deepEqual(result.shape, expected.shape);
    const values = result.data as Float32Array;
    const worst = Math.max(...(expected.data as Float32Array).map((value, i) => Math.abs(value - values[i])));
    assert.ok(worst <= 1e-5, `${key} is off by ${worst}`);
  }
});

describe('the weights of the tiny model', () => {
  async function lossOf(model: BlipCaption): Promise<number> {
    const image = images((await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!);
    const loss = tf.tidy(() => model.eval().forward({ image, text_input: texts }).loss.dataSync()[0]);
    image.dispose();
    return loss;
  }

  for (const [format, tolerance] of [
    ['.pth', 1e-5],
    ['_legacy.pth', 1e-5],
    ['_half.pth', 1e-2],
    ['.safetensors', 1e-5],
  ] as const) {
    it(`are read from weights${format}`, async () => {
      const model = await BlipCaption.fromConfig(tinySection());
      const report = await model.loadCheckpoint(weights(format));
      assert.deepEqual(report, { missing: [], unexpected: [], dropped: [], adapterAlone: false });
      const difference = Math.abs((await lossOf(model)) - expectedLoss);
      assert.ok(difference <= tolerance, `the loss is off by ${difference}`);
      model.dispose();
    });
  }

  it('fit another image size, loaded as pretrained and as finetuned', async () => {
    const { new_image_size, missing_keys, unexpected_keys } = posEmbed.load_from_pretrained;
    const expected = await readTensors('pos_embed', 'load_from_pretrained.safetensors');
    const image = images(
      squareBatch((await readTensors('image_eval', 'normalized.safetensors')).get('rgb_420.jpg')!),
    );
    for (const load of ['loadFromPretrained', 'loadCheckpoint'] as const) {
      const model = await BlipCaption.fromConfig(tinySection({ image_size: new_image_size }));
      const report = await model[load](weights('.pth'));
      assert.deepEqual(report, {
        ...{ missing: missing_keys, unexpected: unexpected_keys, dropped: [] },
        adapterAlone: false,
      });
      assert.ok((await maxDifference(model.visualEncoder.posEmbed, expected.get('pos_embed')!)) <= 1e-5);
      const embeds = tf.tidy(() => model.visualEncoder.forward(image));
      assert.ok((await maxDifference(embeds, expected.get('image_embeds')!)) <= 5e-5);
      embeds.dispose();
      model.dispose();
    }
    image.dispose();
  });

  it('load in part as pretrained: foreign, wrong-shaped and absent keys are reported', async () => {
    const tensors = await readTensors('tiny_caption', 'weights.safetensors');
    const small: HostTensor = { dtype: 'float32', shape: [3], data: new Float32Array(3) };
    tensors.set('text_encoder.embeddings.word_embeddings.weight', small);
    tensors.set('text_decoder.cls.predictions.bias', small);
    tensors.set('text_decoder.cls.predictions.decoder.bias', small);
    tensors.delete('visual_encoder.norm.bias');
    const path = join(temporaryFolder(), 'foreign.safetensors');
    await saveSafetensors(path, tensors);

    const model = await BlipCaption.fromConfig(tinySection());
    const { missing, unexpected, dropped } = await model.loadFromPretrained(path);
    const { missing_keys, unexpected_keys } = posEmbed.foreign_checkpoint;
    assert.deepEqual(missing.toSorted(), missing_keys.toSorted());
    assert.deepEqual(unexpected, unexpected_keys);
    assert.deepEqual(dropped, missing_keys.slice(0, 2));
    await assert.rejects(model.loadCheckpoint(path), CheckpointError);
    model.dispose();
  });

  it('are loaded by load_finetuned, else by load_pretrained; the rest is drawn', async () => {
    const path = weights('.safetensors');
    const pretrained = await BlipCaption.fromConfig(tinySection({ load_pretrained: true, pretrained: path }));
    assert.ok(Math.abs((await lossOf(pretrained)) - expectedLoss) <= 1e-5);
    pretrained.dispose();
    const drawn = await BlipCaption.fromConfig(tinySection({ pretrained: path, finetuned: path }));
    assert.ok(Math.abs((await lossOf(drawn)) - Math.log(284)) < 0.5);
    drawn.dispose();
    await assert.rejects(
      BlipCaption.fromConfig(tinySection({ load_finetuned: true })),
      (error: ConfigError) => {
        return error instanceof ConfigError && error.message.includes('model.finetuned=FILE');
      },
    );
  });

  it('of another size or architecture are refused, and the message says so', async () => {
    const wider = await BlipCaption.fromConfig(tinySection({ vit_embed_dim: 40 }, { encoder_width: 40 }));
    await assert.rejects(wider.loadCheckpoint(weights('.pth')), (error: CheckpointError) => {
      return (
        error instanceof CheckpointError &&
        /another architecture[\s\S]*\[1,1,36\][\s\S]*\[1,1,40\]/.test(error.message)
      );
    });
    const { dropped } = await wider.loadFromPretrained(weights('.pth'));
    assert.ok(dropped.includes('visual_encoder.pos_embed') && dropped.includes('visual_encoder.cls_token'));
    const folder = temporaryFolder();
    const other = join(folder, 'other.safetensors');
    await saveSafetensors(
      other,
      new Map([['conv1.weight', { dtype: 'float32', shape: [2], data: new Float32Array(2) }]]),
    );
    for (const load of ['loadCheckpoint', 'loadFromPretrained'] as const) {
      await assert.rejects(wider[load](other), (error: CheckpointError) => {
        return (
          error instanceof CheckpointError && /another architecture[\s\S]*conv1\.weight/.test(error.message)
        );
      });
    }
    const half = await readTensors('tiny_caption', 'weights.safetensors');
    for (const name of half.keys()) if (name.startsWith('text_decoder')) half.delete(name);
    await saveSafetensors(join(folder, 'vit.safetensors'), half);
    const model = await tinyModel();
    await assert.rejects(model.loadCheckpoint(join(folder, 'vit.safetensors')), CheckpointError);
    assert.equal((await model.loadFromPretrained(join(folder, 'vit.safetensors'))).missing.length, 64);
    writeFileSync(join(folder, 'no.pth'), 'hello');
    await assert.rejects(model.loadCheckpoint(join(folder, 'absent.pth')), /model\.finetuned=FILE/);
    await assert.rejects(model.loadCheckpoint(join(folder, 'no.pth')), CheckpointError);
  });

  it('that cannot be had are asked for once, with URL, cache path and option', async () => {
    const finetuned = 'http://127.0.0.1:9/models/nothing_here.pth';
    await assert.rejects(
      BlipCaption.fromConfig(tinySection({ load_finetuned: true, finetuned })),
      (error: DataError) => {
        assert.ok(error instanceof DataError);
        for (const part of [finetuned, 'checkpoints/nothing_here.pth', 'model.finetuned=FILE']) {
          assert.ok(error.message.includes(part), error.message);
        }
        return true;
      },
    );
  });
});

test('the first weights depend on the seed and on nothing else', async () => {
  const [a, b, c] = [
    await BlipCaption.fromConfig(tinySection(), { seed: 1 }),
    await BlipCaption.fromConfig(tinySection({ vit_depth: 1 }), { seed: 1 }),
    await BlipCaption.fromConfig(tinySection(), { seed: 2 }),
  ];
  const values = (model: BlipCaption) => [
    ...model.namedParameters().get('visual_encoder.blocks.0.mlp.fc1.weight')!.dataSync(),
  ];
  assert.deepEqual(values(a), values(b));
  assert.notDeepEqual(values(a), values(c));
  const std = Math.sqrt(values(a).reduce((sum, value) => sum + value * value, 0) / values(a).length);
  assert.ok(Math.abs(std - 0.02) < 1e-3, `${std}`);
  for (const model of [a, b, c]) model.dispose();
});

test('a model section is checked whole: wrong values, sizes that do not divide or fit', async () => {
  const wrong: [Parameters<typeof tinySection>[0], RegExp][] = [
    [
      { vit_type: 'huge', image_size: 'big' },
      /vit_type has a value [\s\S]*'huge'[\s\S]*image_size has a value [\s\S]*'big'/,
    ],
    [{ max_txt_len: 4 }, /max_txt_len does not fit[\s\S]*5 \(the prompt has 4 tokens\) to 64/],
    [{ image_size: 65 }, /image_size is not a multiple/],
    [{ vit_num_heads: 5 }, /vit_embed_dim is not a multiple/],
    [{ vit_depth: null }, /vit_type: custom needs its sizes/],
    [{ med_config_path: 'no/such.json' }, /model\.med_config_path=FILE/],
    [{ vit_embed_dim: 40 }, /encoder_width is not the width/],
  ];
  for (const [overrides, message] of wrong) {
    await assert.rejects(BlipCaption.fromConfig(tinySection(overrides)), (error: ConfigError) => {
      assert.ok(error instanceof ConfigError && message.test(error.message), error.message);
      return true;
    });
  }
});

test('the zoo lists the captioner, and an unknown type is answered with the nearest', async () => {
  assert.deepEqual(modelZoo().blip_caption, ['base_coco', 'large_coco', 'shapes']);
  await assert.rejects(loadModel('blip_caption', 'base_cocoa'), /did you mean 'base_coco'/);
  await assert.rejects(loadModel('blip_captions', 'base_coco'), /did you mean 'blip_caption'/);
});

test('the registry and loadModel know the captioner by its name, and any other as what runs need of a model', async () => {
  const byName: typeof BlipCaption = registry.getModelClass('blip_caption');
  assert.equal(byName, BlipCaption);
  const anyName: string = 'blip_caption';
  const any: ModelClass = registry.getModelClass(anyName);
  const model: Model = await any.fromConfig(tinySection());
  assert.equal(captionModel(model), model);
  const mute = Object.assign(Object.create(model), { generate: undefined });
  assert.throws(() => captionModel(mute), /the model writes no captions[\s\S]*without generate/);
  model.dispose();
});

test('loadModel builds a model type from its default file, in evaluation if asked', async () => {
  const section = tinySection();
  const model = await loadModel('blip_caption', 'base_coco', {
    isEval: true,
    model: section,
    checkpoint: weights('.pth'),
  });
  assert.equal(model.training, false);
  assert.equal(model.prompt, 'a picture of ');
  const loaded = await readTensors('tiny_caption', 'weights.safetensors');
  assert.equal(await maxDifference(model.visualEncoder.clsToken, loaded.get('visual_encoder.cls_token')!), 0);
  model.dispose();
});

/** A batch of one from [3, H, W] or [H, W, 3], as the fixture has it. */
function squareBatch({ dtype, shape, data }: HostTensor): HostTensor {
  return { dtype, shape: shape.length === 3 ? [1, ...shape] : shape, data };
}
