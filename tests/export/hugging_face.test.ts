import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { openCheckpoint } from '#src/checkpoint/index.js';
import { ConfigError } from '#src/common/errors.js';
import { registry } from '#src/common/registry.js';
import { setupEngine } from '#src/engine/index.js';
import { exportModel } from '#src/export/index.js';
import {
  type BaseModel,
  BlipCaption,
  BlipImageTextMatching,
  BlipPretrain,
  BlipRetrieval,
  BlipVQA,
  modelSectionOf,
} from '#src/models/index.js';
import { familyModel, familySection } from '../models/family.js';
import { tinyModel, tinySection } from '../models/tiny.js';
import { fixture, fixtureJson, temporaryFolder } from '../support.js';

const folder = temporaryFolder();
const HEAD = 'text_decoder.cls.predictions.decoder.weight';

before(() => setupEngine());

async function namesIn(path: string): Promise<Set<string>> {
  const checkpoint = await openCheckpoint(path);
  const names = new Set(checkpoint.stateDict().keys());
  await checkpoint.close();
  return names;
}

/** The model of an exported folder, built from nothing else. */
async function fromFolder(place: string): Promise<BaseModel> {
  const section = (await modelSectionOf(place))!;
  const model = await registry.getModelClass(String(section.arch)).fromConfig(section);
  await model.loadCheckpoint(place);
  return model as BaseModel;
}

async function assertSameWeights(one: BaseModel, other: BaseModel): Promise<void> {
  const state = one.stateDict();
  for (const [name, tensor] of other.stateDict()) {
    assert.deepEqual(await tensor.data(), await state.get(name)!.data(), name);
  }
}

test('the folder of a captioner has the names, sizes and ids of the one that transformers saves', async () => {
  const model = await tinyModel();
  const to = join(folder, 'caption');
  await exportModel(model, to, { format: 'hf', generation: { maxLength: 30, minLength: 5, numBeams: 3 } });
  const theirs = await namesIn(fixture('hf_caption', 'model_copied_head.safetensors'));
  assert.deepEqual(await namesIn(join(to, 'model.safetensors')), theirs);

  type Config = Record<string, unknown> & Record<`${'text' | 'vision'}_config`, Record<string, unknown>>;
  const read = <T>(name: string) => JSON.parse(readFileSync(join(to, name), 'utf8')) as T;
  const [made, wanted] = [read<Config>('config.json'), fixtureJson<Config>('hf_caption', 'config.json')];
  // What differs on purpose, or depends on nothing here.
  const free = {
    text_config: ['eos_token_id', 'projection_dim', 'hidden_dropout_prob', 'attention_probs_dropout_prob'],
    vision_config: ['initializer_range', 'projection_dim', 'attention_dropout'],
  };
  for (const part of ['text_config', 'vision_config'] as const) {
    for (const [key, value] of Object.entries(wanted[part])) {
      if (!free[part].includes(key)) assert.deepEqual(made[part][key], value, `${part}.${key}`);
    }
  }
  assert.deepEqual(made.architectures, wanted.architectures);
  assert.deepEqual(read('preprocessor_config.json'), fixtureJson('hf_caption', 'preprocessor_config.json'));
  assert.equal(
    readFileSync(join(to, 'vocab.txt'), 'utf8'),
    readFileSync(fixture('hf_caption', 'vocab.txt'), 'utf8'),
  );
  assert.deepEqual(read('generation_config.json'), {
    ...{ bos_token_id: 282, eos_token_id: 3, pad_token_id: 0 },
    ...{ max_length: 30, min_length: 5, num_beams: 3 },
  });
  assert.match(readFileSync(join(to, 'config.json'), 'utf8'), /"hidden_dropout_prob": 0\.\d/);

  const again = await fromFolder(to);
  await assertSameWeights(model, again);
  model.dispose();
  again.dispose();
});

test('an output layer of its own is written as such', async () => {
  const model = await BlipCaption.fromConfig(tinySection());
  await model.loadCheckpoint(fixture('hf_caption', 'model_untied_head.safetensors'));
  const to = join(folder, 'untied');
  await exportModel(model, to, { format: 'hf' });
  assert.match(readFileSync(join(to, 'config.json'), 'utf8'), /"tie_word_embeddings": false/);
  const again = await fromFolder(to);
  assert.notEqual(again.stateDict().get(HEAD), undefined);
  await assertSameWeights(model, again);
  model.dispose();
  again.dispose();
});

test('half precision rounds as PyTorch does', async () => {
  const model = await tinyModel();
  const to = join(folder, 'half');
  await exportModel(model, to, { format: 'hf', dtype: 'float16' });
  const half = await BlipCaption.fromConfig((await modelSectionOf(to))!);
  await half.loadCheckpoint(to);
  const rounded = await BlipCaption.fromConfig(tinySection());
  await rounded.loadCheckpoint(fixture('tiny_caption', 'weights_half.pth'));
  await assertSameWeights(rounded, half);
  for (const one of [model, half, rounded]) one.dispose();
});

test('models that answer and match come back too, momentum copies and queues left behind', async () => {
  for (const [Model, from, architecture] of [
    [BlipVQA, 'tiny_vqa', 'BlipForQuestionAnswering'],
    [BlipImageTextMatching, 'tiny_itm', 'BlipForImageTextRetrieval'],
    [BlipRetrieval, 'tiny_retrieval', 'BlipForImageTextRetrieval'],
  ] as const) {
    const model: BaseModel = await familyModel<BaseModel>(Model as never, from);
    const to = join(folder, from);
    await exportModel(model, to, { format: 'hf' });
    const config = readFileSync(join(to, 'config.json'), 'utf8');
    assert.match(config, new RegExp(`"${architecture}"`));
    for (const name of await namesIn(join(to, 'model.safetensors')))
      assert.doesNotMatch(name, /_m\.|queue|^temp$/);
    const again = await fromFolder(to);
    await assertSameWeights(model, again);
    model.dispose();
    again.dispose();
  }
});

test('a model that transformers has no class for is refused by name', async () => {
  const model = await BlipPretrain.fromConfig(familySection('tiny_pretrain'));
  await assert.rejects(exportModel(model, join(folder, 'no'), { format: 'hf' }), (error: Error) => {
    assert.match(error.message, /BlipPretrain[\s\S]*allowed:.*BlipCaption/);
    return error instanceof ConfigError;
  });
  model.dispose();
});

test('a folder as transformers 5 saves it has its vocabulary in the tokenizer.json alone', async () => {
  const to = join(folder, 'saved');
  mkdirSync(to);
  for (const name of ['config.json', 'model.safetensors'])
    copyFileSync(fixture('hf_caption', name), join(to, name));
  const vocabulary = join(to, 'tokenizer.json');
  copyFileSync(fixture('hf_caption', 'tokenizer_saved', 'tokenizer.json'), vocabulary);
  assert.equal((await modelSectionOf(to))!.tokenizer, vocabulary);
  const [one, other] = [(await fromFolder(to)) as BlipCaption, await tinyModel()];
  await assertSameWeights(one, other);
  assert.deepEqual(one.tokenizer.words.slice(0, 282), other.tokenizer.words);
});
