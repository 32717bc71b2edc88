import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { convertCheckpoint, openPeftAdapter } from '#src/checkpoint/index.js';
import { CheckpointError, ConfigError } from '#src/common/errors.js';
import type { HostTensor } from '#src/common/host_tensor.js';
import { setupEngine, tf, valueAndGrads } from '#src/engine/index.js';
import { BlipCaption, BlipPretrain, mergedTensors } from '#src/models/index.js';
import { fixture, temporaryFolder } from '../support.js';
import { familyModel } from './family.js';
import { images, maxDifference, readTensors, tinyModel, tinySection } from './tiny.js';
import { logitsOf, texts, train } from './train_tiny.js';

const folder = temporaryFolder();
const ADAPTER = fixture('hf_caption', 'adapter');
const BASE = fixture('hf_caption', 'model.safetensors');
const lora = { r: 4, alpha: 8, dropout: 0, target_modules: ['query', 'value'] };
const batches = [
  [0, 1],
  [1, 2],
  [2, 3],
];

before(() => setupEngine());

const base = async (overrides = {}) => {
  const model = await BlipCaption.fromConfig(
    tinySection({ load_finetuned: true, finetuned: BASE, ...overrides }),
  );
  return model.eval();
};

describe('an adapter that PEFT saved', () => {
  let wanted: HostTensor;
  before(async () => {
    wanted = (await readTensors('hf_caption', 'adapter', 'expected.safetensors')).get('logits')!;
  });

  const gives = async (model: BlipCaption) => {
    const logits = await logitsOf(model);
    assert.ok((await maxDifference(logits, wanted)) <= 1e-4);
    logits.dispose();
    model.dispose();
  };

  it("gives PEFT's logits as a part of the weights", async () => {
    const model = await base();
    const plain = await logitsOf(model);
    assert.ok((await maxDifference(plain, wanted)) > 1e-2);
    plain.dispose();
    await model.loadAdapter(ADAPTER);
    await gives(model);
  });

  it("gives PEFT's logits beside the weights, and goes on from there", async () => {
    const model = await base({ lora, adapter: ADAPTER });
    assert.equal(model.namedParameters().size, 16); // two layers, two attentions, two targets, two factors
    await gives(model);
  });

  it("gives PEFT's logits in a checkpoint that it was merged into, of LAVIS's layout and of Hugging Face's", async () => {
    for (const [from, to] of [
      [fixture('tiny_caption', 'weights.pth'), join(folder, 'merged.pth')],
      [BASE, join(folder, 'merged.safetensors')],
    ] as const) {
      const adapter = await openPeftAdapter(ADAPTER);
      await convertCheckpoint(from, to, { replace: (tensors) => mergedTensors(adapter, tensors) });
      await adapter.close();
      await gives(await base({ finetuned: to }));
    }
  });

  const altered = (name: string, changes: object) => {
    const copy = join(folder, name);
    mkdirSync(copy);
    cpSync(ADAPTER, copy, { recursive: true });
    const path = join(copy, 'adapter_config.json');
    const config = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify({ ...config, ...changes }));
    return copy;
  };

  it('is refused by the name of its kind where it is no plain LoRA', async () => {
    for (const [changes, said] of [
      [{ use_dora: true }, /DoRA/],
      [{ peft_type: 'IA3' }, /"IA3"/],
      [{ bias: 'all' }, /bias "all"/],
      [{ use_qalora: true }, /use_qalora/],
      [{ init_lora_weights: 'pissa' }, /pissa/],
      [{ fan_in_fan_out: true }, /fan_in_fan_out/],
      [{ target_parameters: ['weight'] }, /target_parameters/],
    ] as const) {
      const copy = altered(Object.keys(changes)[0], changes);
      await assert.rejects(openPeftAdapter(copy), (error: Error) => {
        assert.ok(error instanceof CheckpointError);
        assert.match(error.message, said);
        return true;
      });
    }
    await assert.rejects(openPeftAdapter(fixture('hf_caption')), /no adapter of PEFT/);
  });

  it('multiplies by what its configuration says of a module, and by alpha / √r as rsLoRA', async () => {
    const scales = async (changes: object) => {
      const adapter = await openPeftAdapter(altered(JSON.stringify(changes).replace(/\W/g, '_'), changes));
      await adapter.close();
      return [
        ...new Set([...adapter.pairs].map(([name, { scale }]) => `${name.split('.').at(-1)} ${scale}`)),
      ];
    };
    assert.deepEqual(await scales({}), ['query 2', 'value 2']);
    assert.deepEqual(await scales({ use_rslora: true }), ['query 4', 'value 4']);
    assert.deepEqual(await scales({ alpha_pattern: { 'self.query': 12 } }), ['query 3', 'value 2']);
  });

  it('is refused where it does not fit', async () => {
    await assert.rejects(base({ lora: { ...lora, r: 2 }, adapter: ADAPTER }), /rank 4, in model\.lora 2/);
    const more = { ...lora, target_modules: ['query', 'value', 'dense'] };
    await assert.rejects(base({ lora: more, adapter: ADAPTER }), /layers of model\.lora are not in it/);
    const model = await familyModel(BlipPretrain, 'tiny_pretrain');
    await assert.rejects(model.loadAdapter(ADAPTER), /no linear layer here|does not fit/);
    model.dispose();
  });
});

describe('LoRA', () => {
  let image: HostTensor;
  before(async () => {
    image = (await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!;
  });

  it('begins as the base: the first loss is the same, and trains adapters alone', async () => {
    const plain = await tinyModel();
    const [first] = train(plain, image, batches.slice(0, 1), 1);
    plain.dispose();
    for (const target_modules of [
      ['query', 'key', 'value', 'dense'],
      ['qkv', 'proj', 'fc1', 'fc2'],
      ['self_attn.projection', 'text_decoder.cls.predictions.transform.dense'],
    ]) {
      const model = await tinyModel({ lora: { ...lora, target_modules } });
      assert.ok([...model.namedParameters().keys()].every((name) => /\.lora_[AB]\.weight$/.test(name)));
      const before = new Map([...model.frozenParameters()].map(([name, v]) => [name, v.dataSync().slice()]));
      const losses = train(model, image, batches, 1);
      assert.equal(losses[0], first);
      for (const [name, value] of model.frozenParameters())
        assert.deepEqual(value.dataSync(), before.get(name));
      for (const [name, value] of model.namedParameters()) {
        if (name.endsWith('lora_B.weight'))
          assert.ok(
            value.dataSync().some((v) => v !== 0),
            name,
          );
      }
      model.dispose();
    }
  });

  it('has the gradients of the weight that it stands for', async () => {
    const target_modules = ['crossattention.self.key', 'blocks.1.attn.qkv'];
    const model = await tinyModel({ lora: { ...lora, target_modules } });
    const plain = await tinyModel();
    const batch = images(image, [0, 1]);
    const samples = { image: batch, text_input: texts.slice(0, 2) };
    const ofAdapters = valueAndGrads(() => model.forward(samples).loss, model.namedParameters());
    const ofWeights = valueAndGrads(() => plain.forward(samples).loss, plain.namedParameters());
    assert.ok(ofAdapters.grads.size === 6);
    for (const [name, grad] of ofAdapters.grads) {
      const layer = name.replace(/\.lora_[AB]\.weight$/, '');
      const down = model.namedParameters().get(`${layer}.lora_A.weight`)! as tf.Tensor2D;
      // B is zero: dB = s · dW · Aᵀ, and A has no gradient yet.
      const wanted = tf.tidy(() =>
        name.endsWith('lora_A.weight')
          ? tf.zerosLike(grad)
          : tf.matMul(ofWeights.grads.get(`${layer}.weight`)! as tf.Tensor2D, down, false, true).mul(2),
      );
      const difference = tf.tidy(() => tf.sub(grad, wanted).abs().max().dataSync()[0]);
      assert.ok(difference < 1e-6, `${name} is off by ${difference}`);
      wanted.dispose();
    }
    tf.dispose([
      batch,
      ofAdapters.value,
      ofWeights.value,
      ...ofAdapters.grads.values(),
      ...ofWeights.grads.values(),
    ]);
    model.dispose();
    plain.dispose();
  });

  it('drops out of the adapter alone, drawn from the model', async () => {
    const model = await tinyModel({ lora: { ...lora, dropout: 0.5 } });
    train(model, image, batches, 1); // B is zero no more
    const batch = images(image);
    const run = () => tf.tidy(() => model.forward({ image: batch, text_input: texts }).loss.dataSync()[0]);
    const state = model.rngState();
    const [one, other] = [run(), run()];
    assert.notEqual(one, other);
    model.restoreRngState(state);
    assert.equal(run(), one);
    model.eval();
    assert.equal(run(), run());
    batch.dispose();
    model.dispose();
  });

  it('says the same when it is merged, captions too, and when it is saved and loaded', async () => {
    const model = await tinyModel({
      lora: { ...lora, target_modules: ['query', 'key', 'dense', 'qkv', 'fc1'] },
    });
    train(model, image, batches, 1);
    model.eval();
    const logits = await logitsOf(model);
    const given = images((await readTensors('tiny_caption', 'generation_inputs.safetensors')).get('image')!);
    const options = { numBeams: 3, maxLength: 12, minLength: 5 };
    const captions = await model.generate({ image: given }, options);
    const saved = join(folder, 'saved');
    await model.adapter!.save(saved);
    assert.ok(existsSync(join(saved, 'README.md')));

    const factors = model.namedParameters().size;
    const tensors = tf.memory().numTensors;
    model.mergeAdapter();
    assert.equal(tf.memory().numTensors, tensors - factors);
    const loaded = await tinyModel();
    await loaded.eval().loadAdapter(saved);
    for (const other of [model, loaded]) {
      const again = await logitsOf(other);
      const difference = tf.tidy(() => tf.sub(again, logits).abs().max().dataSync()[0]);
      assert.ok(difference < 1e-4, `${difference}`);
      assert.deepEqual(await other.generate({ image: given }, options), captions);
      again.dispose();
    }
    tf.dispose([given, logits]);
    model.dispose();
    loaded.dispose();
  });

  it('writes what PEFT writes: names, shapes, metadata, short targets where they mean the same', async () => {
    const model = await base({ lora });
    const saved = join(folder, 'like_peft');
    await model.adapter!.save(saved);
    const [ours, theirs] = [saved, ADAPTER].map((place) => ({
      config: JSON.parse(readFileSync(join(place, 'adapter_config.json'), 'utf8')),
      weights: readHeader(join(place, 'adapter_model.safetensors')),
    }));
    const { __metadata__: metadata, ...names } = ours.weights;
    assert.equal(metadata.format, 'pt');
    assert.equal(metadata.base_sha256, '405209a1354f663b5c8fa7248997f58df1c1a902fafe7104375408d1bb644834');
    const shapes = (header: object) =>
      Object.fromEntries(Object.entries(header).map(([name, entry]) => [name, [entry.dtype, entry.shape]]));
    const { __metadata__: _, ...theirNames } = theirs.weights;
    assert.deepEqual(shapes(names), shapes(theirNames));
    for (const [key, value] of Object.entries(ours.config)) {
      if (key !== 'base_model_name_or_path') assert.deepEqual(value, theirs.config[key], key);
    }
    model.dispose();
    const vision = await base({ lora: { ...lora, target_modules: ['proj', 'blocks.0.attn.qkv'] } });
    await vision.adapter!.save(join(folder, 'vision'));
    const { target_modules } = JSON.parse(
      readFileSync(join(folder, 'vision', 'adapter_config.json'), 'utf8'),
    );
    assert.deepEqual(target_modules.sort(), [
      'vision_model.encoder.layers.0.self_attn.projection',
      'vision_model.encoder.layers.0.self_attn.qkv',
      'vision_model.encoder.layers.1.self_attn.projection',
      'vision_model.encoder.layers.2.self_attn.projection',
    ]);
    vision.dispose();
  });

  it('names a target that is none, and models that it is not for', async () => {
    await assert.rejects(
      () => tinyModel({ lora: { ...lora, target_modules: ['q_proj'] } }),
      (error: Error) => error instanceof ConfigError && /'q_proj'.*query/s.test(error.message),
    );
    await assert.rejects(() => familyModel(BlipPretrain, 'tiny_pretrain', { lora }), /momentum copies/);
  });
});

function readHeader(path: string) {
  const bytes = readFileSync(path);
  return JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString());
}
