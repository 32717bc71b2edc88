import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import * as ortModule from 'onnxruntime-node';
import { ConfigError } from '#src/common/errors.js';
import type { HostTensor } from '#src/common/host_tensor.js';
import { setupEngine } from '#src/engine/index.js';
import { exportModel } from '#src/export/index.js';
import { BlipCaption, BlipVQA } from '#src/models/index.js';
import { familyModel } from '../models/family.js';
import { images, readTensors, tinyModel, tinySection } from '../models/tiny.js';
import { fixture, temporaryFolder } from '../support.js';

type Feeds = Record<string, ortModule.Tensor>;
interface Caption {
  text: string;
  ids: number[];
  score: number;
}
interface Captioner {
  caption(pixels: ortModule.Tensor, options?: object): Promise<Caption[]>;
  pixels(rgba: Uint8Array): ortModule.Tensor;
}
type Read = (name: string) => Promise<Uint8Array>;
type Load = (ort: unknown, read: Read, dtype?: string) => Promise<Captioner>;

const { InferenceSession, Tensor } = ortModule;
const [LAYERS, HEADS, SIZE] = [2, 4, 8];
const folder = temporaryFolder();
const PARTS = ['decoder.key', 'decoder.value', 'encoder.key', 'encoder.value'];
const cacheNames = Array.from({ length: LAYERS }, (_, i) => PARTS.map((part) => `${i}.${part}`)).flat();

let expected: Map<string, HostTensor>;
let pixels: ortModule.Tensor;

before(async () => {
  await setupEngine({ device: 'cpu' });
  expected = await readTensors('hf_caption', 'expected.safetensors');
  const { data, shape } = (await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!;
  pixels = new Tensor('float32', data as Float32Array, [...shape]);
  const model = await tinyModel();
  const generation = { maxLength: 12, minLength: 5, numBeams: 3 };
  await exportModel(model, folder, { format: 'onnx', dtypes: ['fp32', 'fp16', 'q8'], generation });
  model.dispose();
});

const session = (name: string, from = folder) => InferenceSession.create(join(from, 'onnx', `${name}.onnx`));

/** A stretch of the fixture's texts. */
function idsOf(from: number, to: number): ortModule.Tensor {
  const { data, shape } = expected.get('input_ids')!;
  const rows = Array.from({ length: shape[0] }, (_, row) => [
    ...(data as BigInt64Array).slice(row * shape[1] + from, row * shape[1] + to),
  ]);
  return new Tensor('int64', BigInt64Array.from(rows.flat()), [shape[0], to - from]);
}

const nothing = (batch: number): Feeds =>
  Object.fromEntries(
    cacheNames.map((name) => [
      `past_key_values.${name}`,
      new Tensor('float32', new Float32Array(0), [batch, HEADS, 0, SIZE]),
    ]),
  );

/** The largest difference to transformers' logits at the words of a stretch; padding is nobody's. */
function difference(logits: ortModule.Tensor, from: number, to: number, wanted = 'logits'): number {
  const { data, shape } = expected.get(wanted)!;
  const mask = expected.get('attention_mask')!.data as BigInt64Array;
  const [rows, length, words] = shape;
  const found = logits.data as Float32Array;
  let worst = 0;
  for (let row = 0; row < rows; row++) {
    for (let at = from; at < to; at++) {
      if (!mask[row * length + at]) continue;
      for (let word = 0; word < words; word++) {
        const value = (data as Float32Array)[(row * length + at) * words + word];
        worst = Math.max(worst, Math.abs(value - found[(row * (to - from) + at - from) * words + word]));
      }
    }
  }
  return worst;
}

async function logitsOf(suffix: string, from = folder): Promise<ortModule.Tensor> {
  const encoder = await session(`encoder_model${suffix}`, from);
  const decoder = await session(`decoder_model_merged${suffix}`, from);
  const { last_hidden_state: states } = await encoder.run({ pixel_values: pixels });
  const length = expected.get('input_ids')!.shape[1];
  const feeds = {
    input_ids: idsOf(0, length),
    encoder_hidden_states: states,
    use_cache_branch: new Tensor('bool', [false], [1]),
  };
  return (await decoder.run({ ...feeds, ...nothing(pixels.dims[0]) })).logits;
}

describe('the exported graphs', () => {
  it("give transformers' logits in one step", async () => {
    const length = expected.get('input_ids')!.shape[1];
    assert.ok(difference(await logitsOf(''), 0, length) <= 1e-4);
  });

  it('and word by word, with the keys and values that came out before', async () => {
    const encoder = await session('encoder_model');
    const decoder = await session('decoder_model_merged');
    const { last_hidden_state: states } = await encoder.run({ pixel_values: pixels });
    const length = expected.get('input_ids')!.shape[1];
    let past = nothing(pixels.dims[0]);
    for (let from = 0, to = 4; from < length; from = to, to = from + 1) {
      const feeds = {
        input_ids: idsOf(from, to),
        encoder_hidden_states: states,
        use_cache_branch: new Tensor('bool', [from > 0], [1]),
      };
      const out = await decoder.run({ ...feeds, ...past });
      assert.ok(difference(out.logits, from, to) <= 1e-4, `words ${from} to ${to}`);
      const before = past;
      past = Object.fromEntries(
        cacheNames.map((name) => {
          const stays = from > 0 && name.includes('encoder');
          const given = stays ? before[`past_key_values.${name}`] : out[`present.${name}`];
          return [`past_key_values.${name}`, given];
        }),
      );
      const made = out['present.1.encoder.key'];
      assert.equal(made.size > 0, from === 0, 'the image is looked at once');
    }
  });

  it('in fewer bits come near', async () => {
    const length = expected.get('input_ids')!.shape[1];
    const half = difference(await logitsOf('_fp16'), 0, length);
    assert.ok(half > 0 && half <= 0.03, `${half}`); // logits go up to 9
    const bytes = difference(await logitsOf('_quantized'), 0, length);
    assert.ok(bytes > half && bytes <= 0.8, `${bytes}`);
  });

  it('have an output layer of its own where the model has', async () => {
    const model = await BlipCaption.fromConfig(tinySection());
    await model.loadCheckpoint(fixture('hf_caption', 'model_untied_head.safetensors'));
    const to = join(folder, 'untied');
    for (const dtypes of [['fp32'], ['q8']] as const)
      await exportModel(model, to, { format: 'onnx', dtypes });
    model.dispose();
    const length = expected.get('input_ids')!.shape[1];
    assert.ok(difference(await logitsOf('', to), 0, length, 'logits_untied_head') <= 1e-4);
    assert.ok(difference(await logitsOf('_quantized', to), 0, length, 'logits_untied_head') <= 0.8);
  });
});

test('captioner.js finds the captions of our own search, with beams and greedily', async () => {
  const { loadCaptioner } = (await import(pathToFileURL(join(folder, 'captioner.js')).href)) as {
    loadCaptioner: Load;
  };
  const captioner = await loadCaptioner(ortModule, (name) => readFile(join(folder, name)));
  const model = (await tinyModel()).eval();
  const given = (await readTensors('tiny_caption', 'generation_inputs.safetensors')).get('image')!;
  const size = given.data.length / given.shape[0];
  for (const options of [
    { numBeams: 3, maxLength: 12, minLength: 5 },
    { numBeams: 5, maxLength: 20, minLength: 8, lengthPenalty: 0.5 },
    { numBeams: 1, maxLength: 20, minLength: 5 },
  ]) {
    for (let row = 0; row < given.shape[0]; row++) {
      const image = images(given, [row]);
      const { sequences, captions, scores } = await model.generateDetailed({ image }, options);
      image.dispose();
      const data = (given.data as Float32Array).slice(row * size, (row + 1) * size);
      const [best] = await captioner.caption(
        new Tensor('float32', data, [1, ...given.shape.slice(1)]),
        options,
      );
      const [eos, pad] = [3, 0];
      const words = sequences[0].filter((id, at) => id !== pad && !(id === eos && at >= best.ids.length));
      assert.deepEqual(best.ids, words);
      assert.equal(best.text, captions[0]);
      if (scores) assert.ok(Math.abs(best.score - scores[0]) <= 1e-5);
    }
  }
  model.dispose();
  const grey = captioner.pixels(new Uint8Array(4 * 64 * 64).fill(128));
  assert.deepEqual(grey.dims, [1, 3, 64, 64]);
  assert.ok(Math.abs((grey.data as Float32Array)[0] - (128 / 255 - 0.48145466) / 0.26862954) <= 1e-6);
});

test('the files beside them are those that transformers.js asks for', () => {
  const read = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  const config = read('config.json');
  assert.equal(config.model_type, 'vision-encoder-decoder');
  assert.deepEqual(config.decoder, {
    ...{ model_type: 'trocr', decoder_layers: 2, decoder_attention_heads: 4 },
    ...{ d_model: 32, vocab_size: 284, max_position_embeddings: 64 },
  });
  assert.deepEqual(config['transformers.js_config'], { dtype: 'fp32' });
  assert.equal(read('generation_config.json').decoder_start_token_id, 282);
  assert.equal(read('preprocessor_config.json').image_processor_type, 'ViTImageProcessor');
  assert.equal(read('preprocessor_config.json').processor_class, undefined);
  assert.deepEqual(read('tokenizer.json').added_tokens.at(-1).content, '[ENC]');
  assert.deepEqual(read('lavis_captioner.json').prompt.ids, [282, 42, 70, 69]);
  assert.ok(readFileSync(join(folder, 'captioner.js'), 'utf8').split('\n').length <= 110);
});

test('a model that writes no captions is refused by name', async () => {
  const model = await familyModel(BlipVQA as never, 'tiny_vqa');
  await assert.rejects(exportModel(model as never, folder, { format: 'onnx' }), (error: Error) => {
    assert.match(error.message, /BlipVQA[\s\S]*BlipCaption/);
    return error instanceof ConfigError;
  });
});
