import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it, test } from 'node:test';
import { type CheckpointValue, saveSafetensors, saveTorch } from '#src/checkpoint/index.js';
import { CheckpointError } from '#src/common/errors.js';
import type { HostTensor } from '#src/common/host_tensor.js';
import { setupEngine, tf } from '#src/engine/index.js';
import { BlipCaption, loadWeights } from '#src/models/index.js';
import { fixtureJson, temporaryFolder } from '../support.js';
import { images, readTensors, tinyModel, tinySection } from './tiny.js';

type State = Map<string, HostTensor>;

const folder = temporaryFolder();
const { texts, loss: expectedLoss } = fixtureJson<{ texts: string[]; loss: number }>(
  'tiny_caption',
  'forward.json',
);
const EMBEDDING = 'text_decoder.bert.embeddings.word_embeddings.weight';
const HEAD = 'text_decoder.cls.predictions.decoder.weight';
const BIASES = ['text_decoder.cls.predictions.bias', 'text_decoder.cls.predictions.decoder.bias'];
const POSITION_IDS = 'text_decoder.bert.embeddings.position_ids';

before(() => setupEngine());

const tiny = () => readTensors('tiny_caption', 'weights.safetensors');

let files = 0;
/** A file of those weights, after a change. */
async function written(change: (state: State) => State | undefined): Promise<string> {
  const state = await tiny();
  const path = join(folder, `w${files++}.safetensors`);
  await saveSafetensors(path, change(state) ?? state);
  return path;
}

const renamed = (rename: (name: string) => string) => (state: State) =>
  new Map([...state].map(([name, tensor]) => [rename(name), tensor]));
const without = (drop: (name: string) => boolean) => (state: State) =>
  new Map([...state].filter(([name]) => !drop(name)));

async function lossOf(model: BlipCaption): Promise<number> {
  const image = images((await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!);
  const loss = tf.tidy(() => model.eval().forward({ image, text_input: texts }).loss.dataSync()[0]);
  image.dispose();
  return loss;
}

/** The reference's conversion, the other way. Source: interop facts of transformers' modeling_blip. */
const hugging = (name: string) =>
  name
    .replace('visual_encoder.cls_token', 'vision_model.embeddings.class_embedding')
    .replace('visual_encoder.pos_embed', 'vision_model.embeddings.position_embedding')
    .replace('visual_encoder.patch_embed.proj', 'vision_model.embeddings.patch_embedding')
    .replace('visual_encoder.norm.', 'vision_model.post_layernorm.')
    .replace(/^visual_encoder\.blocks\.(\d+)\.norm(\d)/, 'vision_model.encoder.layers.$1.layer_norm$2')
    .replace(
      /^visual_encoder\.blocks\.(\d+)\.attn\.proj/,
      'vision_model.encoder.layers.$1.self_attn.projection',
    )
    .replace(/^visual_encoder\.blocks\.(\d+)\.attn/, 'vision_model.encoder.layers.$1.self_attn')
    .replace(/^visual_encoder\.blocks\.(\d+)\.mlp/, 'vision_model.encoder.layers.$1.mlp');

describe('complete weights are loaded as they are', () => {
  const cases: [string, (state: State) => State | undefined][] = [
    ['wrapped by DistributedDataParallel', renamed((name) => `module.${name}`)],
    ['wrapped by torch.compile', renamed((name) => `_orig_mod.${name}`)],
    ['wrapped by Lightning', renamed((name) => `model.${name}`)],
    ['wrapped twice', renamed((name) => `module.model.${name}`)],
    ['under an attribute of any name', renamed((name) => `captioner.blip.${name}`)],
    ['with one part compiled', renamed((name) => name.replace(/^text_decoder/, 'text_decoder._orig_mod'))],
    [
      "wrapped, with a loss's own weights and a counter beside",
      (state) => {
        const changed = renamed((name) => `module.${name}`)(state);
        changed.set('criterion.weight', { dtype: 'float32', shape: [1], data: Float32Array.of(1) });
        return changed.set('n_averaged', { dtype: 'int64', shape: [], data: BigInt64Array.of(1n) });
      },
    ],
    ["under Hugging Face's names", renamed(hugging)],
    ["under Hugging Face's names, wrapped", renamed((name) => `model.${hugging(name)}`)],
    ['without the output layer, which is tied', without((name) => name === HEAD || name === BIASES[1])],
    ['without the embedding, which is tied', without((name) => name === EMBEDDING || name === BIASES[0])],
    ['without position ids', without((name) => name === POSITION_IDS)],
    [
      'beside momentum copies and a queue',
      (state) => {
        const copies = renamed((name) => name.replace(/^visual_encoder/, 'visual_encoder_m'))(state);
        copies.set('image_queue', { dtype: 'float32', shape: [2, 2], data: new Float32Array(4) });
        return new Map([...state, ...copies]);
      },
    ],
  ];
  for (const [name, change] of cases) {
    it(name, async () => {
      const model = await BlipCaption.fromConfig(tinySection(), { seed: 7 });
      const { missing, dropped } = await model.loadCheckpoint(await written(change));
      assert.deepEqual(
        { missing: missing.filter((one) => one !== POSITION_IDS), dropped },
        { missing: [], dropped: [] },
      );
      assert.ok(Math.abs((await lossOf(model)) - expectedLoss) <= 1e-5);
      model.dispose();
    });
  }

  it('in parts, by their index', async () => {
    const parts = join(folder, 'parts');
    mkdirSync(parts);
    const state = [...(await tiny())];
    const map: Record<string, string> = {};
    for (const n of [1, 2]) {
      const name = `model-0000${n}-of-00002.safetensors`;
      const part = state.filter((_, i) => i % 2 === n - 1);
      await saveSafetensors(join(parts, name), new Map(part));
      for (const [tensor] of part) map[tensor] = name;
    }
    const index = join(parts, 'model.safetensors.index.json');
    writeFileSync(index, JSON.stringify({ weight_map: map }));
    for (const place of [index, parts]) {
      const model = await tinyModel();
      await model.loadCheckpoint(place);
      assert.ok(Math.abs((await lossOf(model)) - expectedLoss) <= 1e-5);
      model.dispose();
    }
    const model = await tinyModel();
    await assert.rejects(
      model.loadCheckpoint(join(parts, 'model-00001-of-00002.safetensors')),
      (error: Error) => {
        assert.match(
          error.message,
          /lacks weights[\s\S]*part 1 of 2, by its name[\s\S]*help:.*model\.safetensors\.index\.json/,
        );
        return error instanceof CheckpointError;
      },
    );
    model.dispose();
  });
});

describe('weights that are not all there are an error before one is changed', () => {
  const cases: [string, (state: State) => State | undefined, RegExp][] = [
    ['half of them', without((name) => name.includes('.1.')), /are missing, the first is/],
    [
      'all but one',
      without((name) => name === 'visual_encoder.norm.bias'),
      /1 of the model's 106 [\s\S]*visual_encoder\.norm\.bias/,
    ],
    [
      'both names of a tied weight',
      without((name) => name === HEAD || name === EMBEDDING),
      /2 of the model's[\s\S]*word_embeddings/,
    ],
    ['the text side', without((name) => name.startsWith('text_decoder')), /text_decoder/],
    [
      "an image encoder alone, under timm's names",
      (state) =>
        renamed((name) => name.replace('visual_encoder.', ''))(
          without((name) => name.startsWith('text'))(state),
        ),
      /another architecture[\s\S]*it seems to be an image encoder alone/,
    ],
    [
      'a CLIP of transformers',
      (state) =>
        renamed((name) =>
          name
            .replace('visual_encoder.blocks', 'vision_model.encoder.layer')
            .replace('text_decoder', 'text_model'),
        )(state),
      /another architecture[\s\S]*seems to be/,
    ],
    [
      'an adapter',
      renamed((name) => `base_model.model.${name.replace(/\.weight$/, '.lora_A.weight')}`),
      /seems to be an adapter/,
    ],
  ];
  for (const [name, change, message] of cases) {
    it(name, async () => {
      const path = await written(change);
      const model = await tinyModel();
      const before = [...model.namedParameters().values()].map((variable) => variable.dataSync()[0]);
      await assert.rejects(model.loadCheckpoint(path), (error: Error) => {
        assert.ok(error instanceof CheckpointError, error.stack);
        assert.match(error.message, message);
        return error.message.includes(path);
      });
      assert.deepEqual(
        [...model.namedParameters().values()].map((variable) => variable.dataSync()[0]),
        before,
      );
      model.dispose();
      // As a YAML names them, for captions or an evaluation.
      for (const key of ['pretrained', 'finetuned']) {
        const section = tinySection({ [`load_${key}`]: true, [key]: path });
        await assert.rejects(BlipCaption.fromConfig(section, { training: false }), message);
      }
    });
  }

  it('the model twice, under two beginnings', async () => {
    const path = await written(
      (state) =>
        new Map([...renamed((n) => `student.${n}`)(state), ...renamed((n) => `teacher.${n}`)(state)]),
    );
    const model = await tinyModel();
    await assert.rejects(model.loadCheckpoint(path), /more than once[\s\S]*'student\.', 'teacher\.'/);
    model.dispose();
  });

  it("an output layer's bias that is tied here and differs in the file", async () => {
    const path = await written((state) => {
      const bias = state.get(BIASES[1])!;
      const data = Float32Array.from(bias.data as Float32Array);
      data[3] += 1;
      return state.set(BIASES[1], { ...bias, data });
    });
    for (const place of [path, await copyAsHuggingFace(path)]) {
      const model = await tinyModel();
      await assert.rejects(
        model.loadCheckpoint(place),
        /tied in this model differ[\s\S]*decoder\.bias hold other/,
      );
      model.dispose();
    }
  });

  it('an element type that is not read', async () => {
    const path = join(folder, 'float8.safetensors');
    const state = await tiny();
    const header: Record<string, unknown> = {};
    const parts: Buffer[] = [];
    let at = 0;
    for (const [name, { shape, data, dtype }] of state) {
      const float8 = name === 'visual_encoder.norm.weight';
      const bytes = float8
        ? Buffer.alloc(data.length)
        : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      const type = float8 ? 'F8_E4M3' : dtype === 'int64' ? 'I64' : 'F32';
      header[name] = { dtype: type, shape, data_offsets: [at, at + bytes.length] };
      at += bytes.length;
      parts.push(bytes);
    }
    const json = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    writeFileSync(path, Buffer.concat([length, json, ...parts]));
    const model = await tinyModel();
    await assert.rejects(
      model.loadCheckpoint(path),
      /lacks weights[\s\S]*visual_encoder\.norm\.weight is a tensor of F8_E4M3/,
    );
    model.dispose();
  });
});

test('a training may start a text side anew, and no image encoder', async () => {
  const noText = await written(without((name) => name.startsWith('text_decoder')));
  const model = await BlipCaption.fromConfig(tinySection({ load_pretrained: true, pretrained: noText }));
  const encoder = (await tiny()).get('visual_encoder.norm.weight')!;
  assert.deepEqual(model.stateDict().get('visual_encoder.norm.weight')!.dataSync(), encoder.data);
  assert.ok(
    model
      .stateDict()
      .get(EMBEDDING)!
      .dataSync()
      .some((value) => value !== 0),
    'the rest is drawn',
  );
  model.dispose();
  const noEncoder = await written(without((name) => name.startsWith('visual_encoder')));
  await assert.rejects(
    BlipCaption.fromConfig(tinySection({ load_pretrained: true, pretrained: noEncoder })),
    /are missing, the first is visual_encoder/,
  );
});

test('an evaluation takes weights of another image size, and a run that is carried on does not', async () => {
  const model = await BlipCaption.fromConfig(tinySection({ image_size: 64 + 32 }));
  const path = await written(() => undefined);
  const options = { arch: 'BlipCaption', option: 'x', mayLack: 'nothing' } as const;
  await assert.rejects(
    loadWeights(model, path, { ...options, exactSize: true }),
    /visual_encoder\.pos_embed: \[1,\d+,\d+\] for \[1,\d+,\d+\]/,
  );
  assert.deepEqual((await loadWeights(model, path, options)).dropped, []);
  model.dispose();
});

/** The same numbers in a PyTorch file with Hugging Face's names, no storage shared. */
async function copyAsHuggingFace(path: string): Promise<string> {
  const { readAll } = await import('../checkpoint/support.js');
  const copy = `${path}.bin`;
  const state = [...(await readAll(path))].map(([name, tensor]) => [hugging(name), tensor]);
  await saveTorch(copy, Object.fromEntries(state) as CheckpointValue);
  return copy;
}
