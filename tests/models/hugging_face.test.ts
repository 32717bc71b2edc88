import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it, test } from 'node:test';
import { openCheckpoint, savedState, saveTorch } from '#src/checkpoint/index.js';
import { CheckpointError } from '#src/common/errors.js';
import { setupEngine, tf } from '#src/engine/index.js';
import { fromHuggingFace, toHuggingFace } from '#src/models/hugging_face/names.js';
import { BlipCaption } from '#src/models/index.js';
import { fixture, fixtureJson, temporaryFolder } from '../support.js';
import { images, maxDifference, readTensors, tinyModel, tinySection } from './tiny.js';
import { logitsOf } from './train_tiny.js';

interface Expected {
  prompt_ids: number[];
  greedy: { max_length: number; min_length: number; ids: number[][] }[];
  no_prompt_greedy: { max_length: number; min_length: number; ids: number[][] }[];
}

const HEAD = 'text_decoder.cls.predictions.decoder.weight';
const expected = fixtureJson<Expected>('hf_caption', 'expected.json');
const folder = temporaryFolder();

before(() => setupEngine());

const loaded = async (place: string, overrides = {}) => {
  const model = await BlipCaption.fromConfig(tinySection(overrides));
  await model.loadCheckpoint(place);
  return model.eval();
};

describe("what transformers saved gives transformers' logits", () => {
  const cases = [
    ['the folder', fixture('hf_caption'), 'logits'],
    ['the file in it', fixture('hf_caption', 'model.safetensors'), 'logits'],
    ['a head that is a copy', fixture('hf_caption', 'model_copied_head.safetensors'), 'logits'],
    [
      'a head with numbers of its own',
      fixture('hf_caption', 'model_untied_head.safetensors'),
      'logits_untied_head',
    ],
  ] as const;
  for (const [name, place, key] of cases) {
    it(name, async () => {
      const model = await loaded(place);
      const wanted = (await readTensors('hf_caption', 'expected.safetensors')).get(key)!;
      const logits = await logitsOf(model);
      assert.ok((await maxDifference(logits, wanted)) <= 1e-4);
      logits.dispose();
      model.dispose();
    });
  }

  it('and its greedy ids, with the prompt and without one', async () => {
    const image = images((await readTensors('tiny_caption', 'generation_inputs.safetensors')).get('image')!);
    for (const [prompt, wanted] of [
      ['a picture of ', expected.greedy],
      ['', expected.no_prompt_greedy],
    ] as const) {
      const model = await loaded(fixture('hf_caption'), { prompt });
      for (const { max_length, min_length, ids } of wanted) {
        const { sequences } = await model.generateDetailed(
          { image },
          { numBeams: 1, maxLength: max_length, minLength: min_length },
        );
        assert.deepEqual(sequences, ids);
      }
      model.dispose();
    }
    image.dispose();
  });
});

test('an untied head is trained, saved and loaded apart from the embedding', async () => {
  const model = await loaded(fixture('hf_caption', 'model_untied_head.safetensors'));
  assert.ok(model.namedParameters().has(HEAD));
  const path = join(folder, 'untied.pth');
  await saveTorch(path, { model: savedState(model.stateDict()) });
  const again = await loaded(path);
  assert.notEqual(again.stateDict().get(HEAD), again.textDecoder.bert.embeddings.wordEmbeddings.weight);
  const [one, other] = [await logitsOf(model), await logitsOf(again)];
  assert.deepEqual(await other.data(), await one.data());
  tf.dispose([one, other]);
  model.dispose();
  again.dispose();
});

test('what config.json says and no shape shows is compared', async () => {
  copyFileSync(fixture('hf_caption', 'model.safetensors'), join(folder, 'model.safetensors'));
  const config = JSON.parse(readFileSync(fixture('hf_caption', 'config.json'), 'utf8'));
  const change = (part: string, values: object) =>
    writeFileSync(
      join(folder, 'config.json'),
      JSON.stringify({ ...config, [part]: { ...config[part], ...values } }),
    );
  change('text_config', { num_attention_heads: 8 });
  await assert.rejects(loaded(folder), /text_config\.num_attention_heads[\s\S]*found:\s+8\s+allowed:\s+4/);
  change('vision_config', { hidden_act: 'quick_gelu' });
  await assert.rejects(loaded(folder), /vision_config\.hidden_act[\s\S]*quick_gelu/);
  writeFileSync(join(folder, 'config.json'), '{');
  await assert.rejects(loaded(folder), CheckpointError);
});

test("every name has its match in Hugging Face's layout, and comes back", async () => {
  const model = await tinyModel();
  const checkpoint = await openCheckpoint(fixture('hf_caption', 'model_copied_head.safetensors'));
  const theirs = new Set(checkpoint.stateDict().keys());
  await checkpoint.close();
  const left = 'text_decoder.bert.embeddings.position_ids';
  const names = [...model.stateDict().keys()].filter((name) => name !== left);
  for (const name of names) {
    assert.equal(fromHuggingFace(toHuggingFace(name)), name);
    assert.equal(toHuggingFace(`${name}.lora_A.weight`), `${toHuggingFace(name)}.lora_A.weight`);
  }
  assert.deepEqual(new Set(names.map(toHuggingFace)), theirs);
  model.dispose();
});
