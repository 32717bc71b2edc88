import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { openCheckpoint, saveTorch } from '#src/checkpoint/index.js';
import { CheckpointError } from '#src/common/errors.js';
import { registry } from '#src/common/registry.js';
import type { Batch } from '#src/datasets/index.js';
import { SingleCommunicator } from '#src/distributed/index.js';
import { setupEngine } from '#src/engine/index.js';
import { BlipCaption } from '#src/models/index.js';
import { AdamW } from '#src/optim/index.js';
import { readCheckpoint, restoreWeights, writeCheckpoint } from '#src/runners/checkpoints.js';
import { newRunState } from '#src/runners/state.js';
import { TrainStep } from '#src/runners/train_step.js';
import { CaptionTask } from '#src/tasks/index.js';
import { images, readTensors, tinyModel, tinySection } from '../models/tiny.js';
import { fixture, fixtureJson, temporaryFolder } from '../support.js';

interface Resume {
  vit: Record<string, number>;
  med_config: Record<string, unknown>;
  texts: string[];
  batch_rows: number[][];
  checkpoint_keys: string[];
  optimizer_param_order: string[];
  optimizer_param_groups: Record<string, unknown>[];
  epochs: { epoch: number; loss: number[]; lr: number[] }[];
  final_after_epoch2: Record<string, { l2: number; first: number[] }>;
}

const expected = fixtureJson<Resume>('tiny_caption', 'resume', 'resume.json');
const CHECKPOINT = fixture('tiny_caption', 'resume', 'checkpoint_0.pth');
const folder = temporaryFolder();
const comm = new SingleCommunicator();
const task = new CaptionTask();
const schedule = () =>
  new (registry.getLrSchedulerClass('linear_warmup_cosine_lr'))({
    initLr: 1e-3,
    minLr: 1e-5,
    warmupStartLr: 1e-5,
    warmupSteps: 3,
    maxEpoch: 3,
  });

async function smallModel(): Promise<BlipCaption> {
  const { vit, med_config } = expected;
  const medPath = join(folder, 'med.json');
  writeFileSync(medPath, JSON.stringify(med_config));
  const sizes = {
    image_size: vit.img_size,
    vit_patch_size: vit.patch_size,
    vit_embed_dim: vit.embed_dim,
    vit_depth: vit.depth,
    vit_num_heads: vit.num_heads,
  };
  return BlipCaption.fromConfig(tinySection({ ...sizes, med_config_path: medPath }));
}

async function batches(): Promise<Batch[]> {
  const [image] = (await readTensors('tiny_caption', 'resume', 'inputs.safetensors')).values();
  return expected.batch_rows.map((rows) => {
    const data = images(image, rows).dataSync() as Float32Array;
    return {
      image: { data: data.slice(), shape: [rows.length, 32, 32, 3] },
      text_input: rows.map((row) => expected.texts[row]),
    };
  });
}

const newOptimizer = (model: BlipCaption) => new AdamW(model.getOptimizerParams(0.05), { lr: 1e-3 });

describe('a checkpoint that LAVIS wrote', () => {
  before(() => setupEngine({ device: 'cpu' }));

  it('resumes to the trajectory of the run that went on in PyTorch', async () => {
    const model = await smallModel();
    const optimizer = newOptimizer(model);
    const restored = await readCheckpoint(CHECKPOINT, model, optimizer);
    assert.equal(restored.epoch, 0);
    assert.equal(restored.state, undefined);
    const step = new TrainStep({ task, model: model.train(), optimizer, accumGradIters: 1, comm });
    const all = await batches();
    for (const { epoch, loss, lr } of expected.epochs.slice(1)) {
      for (const [i, batch] of all.entries()) {
        const rate = schedule().lrAt(epoch, i);
        assert.ok(Math.abs(rate - lr[i]) <= 1e-12);
        const report = await step.run(batch, rate, true);
        assert.ok(
          Math.abs(report.losses.loss - loss[i]) <= 1e-4 * loss[i],
          `epoch ${epoch} step ${i}: ${report.losses.loss}, PyTorch has ${loss[i]}`,
        );
      }
    }
    for (const [name, { first }] of Object.entries(expected.final_after_epoch2)) {
      const values = model.namedParameters().get(name)!.dataSync();
      const within = /\.key\.bias$|\.qkv\.bias$/.test(name) ? 5e-3 : 5e-5;
      first.forEach((value, i) => {
        assert.ok(Math.abs(values[i] - value) <= within, `${name}[${i}]: ${values[i]}, PyTorch has ${value}`);
      });
    }
  });

  it('has the same structure as one of ours, optimizer state included', async () => {
    const model = await smallModel();
    const optimizer = newOptimizer(model);
    await readCheckpoint(CHECKPOINT, model, optimizer);
    const path = join(folder, 'ours.pth');
    const state = newRunState(42, 1);
    const parts = { model, optimizer, config: {}, position: { epoch: 0 }, state, accumulated: new Map() };
    await writeCheckpoint(path, parts);

    const [ours, theirs] = [await openCheckpoint(path), await openCheckpoint(CHECKPOINT)];
    const [a, b] = [ours.root, theirs.root] as Record<string, Record<string, never>>[];
    assert.deepEqual(Object.keys(a).slice(0, 5), expected.checkpoint_keys);
    assert.deepEqual([...ours.stateDict().keys()], [...theirs.stateDict().keys()]);
    assert.deepEqual(a.optimizer.param_groups, b.optimizer.param_groups);
    const moments = (root: typeof a) => [...(root.optimizer.state as Map<number, Record<string, Ref>>)];
    for (const [index, entry] of moments(a)) {
      const other = moments(b)[index][1];
      for (const key of ['step', 'exp_avg', 'exp_avg_sq']) {
        assert.deepEqual(await entry[key].read(), await other[key].read(), `${key} of parameter ${index}`);
      }
    }
    assert.equal(moments(a).length, expected.optimizer_param_order.length);
    await Promise.all([ours.close(), theirs.close()]);
  });

  it('with later transformers, which save no position_ids, is read; one that lacks a parameter is not', async () => {
    const model = await smallModel();
    const path = join(folder, 'lacking.pth');
    const without = async (name: string) => {
      const checkpoint = await openCheckpoint(CHECKPOINT);
      const root = checkpoint.root as Record<string, never> & { model: Map<string, unknown> };
      assert.ok(root.model.delete(name));
      await saveTorch(path, root);
      await checkpoint.close();
    };
    await without('text_decoder.bert.embeddings.position_ids');
    const restored = await readCheckpoint(path, model, newOptimizer(model));
    assert.equal(restored.epoch, 0);
    await without('visual_encoder.norm.bias');
    await assert.rejects(
      readCheckpoint(path, model, newOptimizer(model)),
      /1 of the model's \d+ parameters are missing, the first is visual_encoder\.norm\.bias/,
    );
  });

  it('of another image size is refused before a weight is changed, with the way to take it all the same', async () => {
    const { vit, med_config } = expected;
    const medPath = join(folder, 'med.json');
    writeFileSync(medPath, JSON.stringify(med_config));
    const sizes = { vit_patch_size: vit.patch_size, vit_embed_dim: vit.embed_dim, vit_depth: vit.depth };
    const section = { ...sizes, vit_num_heads: vit.num_heads, image_size: 2 * vit.img_size };
    const model = await BlipCaption.fromConfig(tinySection({ ...section, med_config_path: medPath }));
    const token = model.namedParameters().get('visual_encoder.cls_token')!;
    const before = token.dataSync().slice();
    const error = await restoreWeights(CHECKPOINT, model).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof CheckpointError);
    assert.match(error.message, /visual_encoder\.pos_embed: \[1,\d+,\d+\] for \[1,\d+,\d+\]/);
    assert.match(error.message, /model\.finetuned=.*checkpoint_0\.pth/);
    assert.deepEqual(token.dataSync(), before);
  });

  it('of another model is refused', async () => {
    const model = await tinyModel();
    await assert.rejects(readCheckpoint(CHECKPOINT, model, newOptimizer(model)), CheckpointError);
  });

  it('without optimizer state is refused, with the way to start from its weights', async () => {
    const model = await smallModel();
    const path = fixture('tiny_caption', 'resume', 'bare_state_dict.pth');
    await assert.rejects(readCheckpoint(path, model, newOptimizer(model)), /model\.finetuned/);
  });
});

interface Ref {
  read(): Promise<unknown>;
}
