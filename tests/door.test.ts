import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import * as door from 'lavis';
import { familySection } from './models/family.js';
import { type TinyRun, tinyRun } from './runners/tiny_run.js';
import { temporaryFolder } from './support.js';

const { BlipCaption, Config, ConfigError, evaluate, registry, setupEngine, tf, train } = door;

/** What others build on: a name leaves this list, or joins it, with a line in CHANGELOG.md. */
const NAMES = `
  AdamW AnnotatedDataset AnnotationBuilder BaseModel BaseRunner BaseTask BlipBase BlipCaption BlipImageEvalProcessor
  CaptionBuilder CaptionDataset CaptionEvalDataset CaptionTask CheckpointError Config ConfigError DataError
  DistributedError EngineError ImageProcessor LavisError Module RunInterrupted RunnerBase RunnerIter TextProcessor
  TrainingError answerQuestions captionImages cocoEvaluate collate datasetZoo evaluate exportModel key loadDataset loadModel loadModelAndPreprocess
  loadProcessor matchImages modelZoo noGrad openCheckpoint openIndex ptbTokenize readSection registry retrievalMetrics saveSafetensors
  saveTorch search section setupEngine tf train types valueAndGrads vqaEvaluate`
  .trim()
  .split(/\s+/);

it('the door has these names and no others', () => {
  assert.deepEqual(Object.keys(door).sort(), [...NAMES].sort());
});

it('the registry finds and lists every kind of class', () => {
  const found = [
    [registry.listModels(), 'blip_caption', registry.getModelClass('blip_caption')],
    [registry.listProcessors(), 'blip_image_eval', registry.getProcessorClass('blip_image_eval')],
    [registry.listDatasets(), 'coco_caption', registry.getBuilderClass('coco_caption')],
    [registry.listTasks(), 'captioning', registry.getTaskClass('captioning')],
    [registry.listRunners(), 'runner_base', registry.getRunnerClass('runner_base')],
    [registry.listLrSchedulers(), 'constant_lr', registry.getLrSchedulerClass('constant_lr')],
  ] as const;
  for (const [names, name, value] of found) {
    assert.ok(names.includes(name), name);
    assert.equal(typeof value, 'function', name);
  }
  assert.deepEqual(registry.listHooks(), ['csv', 'mlflow', 'tensorboard']);
  registry.registerHook('door_test')(class {});
  assert.deepEqual(registry.listHooks(), ['csv', 'door_test', 'mlflow', 'tensorboard']);
  assert.equal(typeof registry.getHookClass('door_test'), 'function');
  assert.throws(() => registry.getHookClass('door_tset'), /no hook is named 'door_tset'[\s\S]*door_test/);
  assert.equal(registry.getModelClass('blip_caption'), BlipCaption);
});

describe('from code, as the command line does it', () => {
  const folder = temporaryFolder();
  let tiny: TinyRun;

  before(async () => {
    mkdirSync(join(folder, 'run'));
    tiny = await tinyRun(join(folder, 'run'));
    await setupEngine({ device: 'cpu' });
  });

  it('a configuration is read, changed by options, and given back as a plain object', async () => {
    const config = await Config.fromFile(tiny.yaml, ['run.max_epoch=3']);
    const { run } = config.toJSON() as { run: Record<string, unknown> };
    assert.equal(run.max_epoch, 3);
    assert.equal(JSON.parse(JSON.stringify(config)).run.max_epoch, 3);
  });

  it('train gives the folder, the test scores and the best weights; evaluate scores those alike', async () => {
    const config = await Config.fromFile(tiny.yaml, tiny.output('trained'));
    const stages: string[] = [];
    const before = tf.memory().numTensors;
    const {
      folder: place,
      scores,
      best,
    } = await train(config, {
      device: 'cpu',
      hooks: [{ afterRound: (run) => void stages.push(run.place()) }],
    });
    assert.equal(stages.length, 2);
    assert.ok(place.startsWith(join(folder, 'run', 'trained')), place);
    assert.ok(Number.isFinite(scores.test.CIDEr) && 'agg_metrics' in scores.test, JSON.stringify(scores));
    assert.equal(best?.checkpoint, join(place, 'checkpoint_best.pth'));
    assert.ok(existsSync(best.checkpoint) && Number.isFinite(best.score) && [0, 1].includes(best.at));
    assert.equal(tf.memory().numTensors, before, 'tensors are left behind');

    const scored = await evaluate(config, { checkpoint: best.checkpoint, jobId: 'scored' });
    assert.deepEqual(scored.scores, scores);
    assert.equal(scored.folder, join(folder, 'run', 'trained', 'scored'));
    assert.equal(tf.memory().numTensors, before, 'tensors are left behind');
  });

  it('train goes on where a run stopped, in its folder', async () => {
    const options = tiny.output('resumed');
    const first = await train(await Config.fromFile(tiny.yaml, [...options, 'run.max_epoch=1']));
    const config = await Config.fromFile(tiny.yaml, [
      ...options,
      'run.max_epoch=2',
      'run.resume_changed=True',
    ]);
    const second = await train(config, { resume: true });
    assert.equal(second.folder, first.folder);
    assert.ok(existsSync(join(second.folder, 'checkpoint_1.pth')));
  });

  it('a misspelt key is told before anything begins', async () => {
    const config = await Config.fromFile(tiny.yaml, [...tiny.output('none'), 'run.max_epochs=3']);
    await assert.rejects(train(config), (thrown: Error) => {
      assert.ok(thrown instanceof ConfigError);
      assert.match(thrown.message, /run\.max_epochs[\s\S]*max_epoch/);
      return true;
    });
    assert.ok(!existsSync(join(folder, 'run', 'none')));
  });
});

describe('a model', () => {
  before(() => setupEngine({ device: 'cpu' }).then(() => undefined));

  it('names what is trained, holds the rest in its state, and groups it for AdamW', async () => {
    const model = await registry.getModelClass('blip_retrieval').fromConfig(familySection('tiny_retrieval'));
    const trained = model.namedParameters();
    const state = model.stateDict();
    assert.ok(trained instanceof Map && state instanceof Map);
    assert.ok([...trained.keys()].every((name) => state.has(name) && !/_m\.|queue|ptr/.test(name)));
    for (const name of ['visual_encoder_m.cls_token', 'image_queue', 'queue_ptr', 'temp']) {
      assert.ok(state.has(name), name);
    }
    const [decays, others, ...more] = model.getOptimizerParams(0.05);
    assert.deepEqual([decays.weightDecay, others.weightDecay, more.length], [0.05, 0, 0]);
    assert.deepEqual([...decays.names, ...others.names].sort(), [...trained.keys()].sort());
    for (const { names, params } of [decays, others]) {
      assert.deepEqual(
        params,
        names.map((name) => trained.get(name)),
      );
    }
    model.dispose();
  });

  it('gives its state and takes another one, strictly or not', async () => {
    const Model = registry.getModelClass('blip_retrieval');
    const [a, b] = await Promise.all(
      [1, 2].map((seed) => Model.fromConfig(familySection('tiny_retrieval'), { seed })),
    );
    const name = 'visual_encoder.blocks.0.attn.qkv.weight';
    const valuesOf = (model: typeof a) => model.stateDict().get(name)!.dataSync();
    assert.notDeepEqual(valuesOf(a), valuesOf(b));
    assert.deepEqual(b.loadStateDict(a.stateDict(), { strict: true }), { missing: [], unexpected: [] });
    assert.deepEqual(valuesOf(a), valuesOf(b));
    const part = new Map([...a.stateDict()].filter(([key]) => key !== name)).set(
      'extra',
      tf.variable(tf.scalar(1)),
    );
    assert.throws(
      () => b.loadStateDict(part, { strict: true }),
      /missing: visual_encoder[\s\S]*unexpected: extra/,
    );
    assert.deepEqual(b.loadStateDict(part, { strict: false }), { missing: [name], unexpected: ['extra'] });
    a.dispose();
    b.dispose();
  });
});
