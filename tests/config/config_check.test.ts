import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { z } from 'zod';
import type { ConfigError } from '#src/common/errors.js';
import { Registry } from '#src/common/registry.js';
import { Config, key, readSection, types } from '#src/config/index.js';
import { annotatedSchema } from '#src/datasets/index.js';
import { scheduleSchema, stepScheduleSchema } from '#src/optim/index.js';
import { iterationsSchema, trainingSchema } from '#src/runners/settings.js';
import { CaptionTask } from '#src/tasks/index.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();
const registry = new Registry();
const register = (decorate: unknown, statics: object) =>
  (decorate as (value: unknown) => void)(Object.assign(class {}, statics));
const imageSchema = z.strictObject({
  name: key(types.text, undefined, 'Which.'),
  image_size: key(types.natural, 384, 'Pixels.'),
  mean: key(types.colour, [0, 0, 0], 'Subtracted.'),
});
const modelSchema = z.strictObject({
  arch: types.text,
  model_type: types.text,
  vit_type: key(z.enum(['base', 'large', 'custom']), 'base', 'Size.'),
  image_size: key(types.natural, 384, 'Pixels.'),
});
register(registry.registerModel('blip_caption'), {
  defaultConfigs: { base_coco: join(folder, 'model.yaml') },
  configSchema: modelSchema,
});
register(registry.registerModel('foreign'), {});
register(registry.registerBuilder('coco_caption'), {
  defaultConfigs: { default: join(folder, 'data.yaml') },
  configSchema: annotatedSchema,
});
register(registry.registerProcessor('blip_image_eval'), { configSchema: imageSchema });
const { configSchema, conflictsIn } = CaptionTask;
register(registry.registerTask('captioning'), { configSchema, conflictsIn });
register(registry.registerTask('my_task'), {});
register(registry.registerRunner('runner_base'), { configSchema: trainingSchema });
register(registry.registerRunner('runner_iter'), { configSchema: iterationsSchema });
register(registry.registerLrScheduler('linear_warmup_step_lr'), { configSchema: stepScheduleSchema });
register(registry.registerTask('other_task'), {
  configSchema: z.strictObject({ k_test: key(types.natural, 256, 'x') }),
});
register(registry.registerLrScheduler('linear_warmup_cosine_lr'), { configSchema: scheduleSchema });
writeFileSync(
  join(folder, 'model.yaml'),
  'model:\n  arch: blip_caption\n  vit_type: base\n  image_size: 384\n',
);
writeFileSync(
  join(folder, 'data.yaml'),
  'datasets:\n  coco_caption:\n    build_info:\n      annotations:\n        restval: {storage: a.json}\n',
);

const good = `
model:
  arch: blip_caption
  model_type: base_coco
datasets:
  coco_caption:
    vis_processor:
      eval: {name: blip_image_eval}
run:
  task: captioning
  lr_sched: linear_warmup_cosine_lr
  init_lr: 1e-5
  max_epoch: 5
  train_splits: [train, restval]
`;

async function faultsOf(text: string, options: string[] = [], allowUnknown = false): Promise<string> {
  const path = join(folder, 'run.yaml');
  writeFileSync(path, text);
  try {
    await Config.fromFile(path, options, { registry, check: { allowUnknown } });
    return '';
  } catch (thrown) {
    return (thrown as ConfigError).message;
  }
}

/** The good configuration with one thing changed. */
const changed = (from: string, to: string) => {
  assert.ok(good.includes(from), from);
  return good.replace(from, to);
};

describe('checking before anything starts', () => {
  test('a right configuration passes, interpolations and LAVIS keys included', async () => {
    assert.equal(await faultsOf(good), '');
    assert.equal(
      await faultsOf(`${good}  device: cuda\n  world_size: 1\n  dist_url: "env://"\n  distributed: True
  amp: False\n  resume_ckpt_path: null\n  use_dist_eval_sampler: True\n  num_workers: 4\n  val_freq: \${.max_epoch}\n`),
      '',
    );
  });

  const cases: [name: string, text: string, options: string[], ...parts: (string | RegExp)[]][] = [
    [
      'a wrong type',
      changed('max_epoch: 5', 'max_epoch: five'),
      [],
      'run.max_epoch has a value that is not allowed',
      /run\.yaml:13:14/,
      "the text 'five'",
      'a whole number, at least 1',
    ],
    [
      'a number in quotes',
      changed('init_lr: 1e-5', 'init_lr: "1e-5"'),
      [],
      'run.init_lr',
      /run\.yaml:12:12/,
      'write it without quotes',
    ],
    [
      'a number from the environment',
      good,
      [`run.seed=\${oc.env:LAVIS_TEST_UNSET,7}`],
      "the text '7'",
      `\${oc.decode:\${oc.env:LAVIS_TEST_UNSET,7}} makes a number of it`,
    ],
    [
      'a number out of bounds',
      good,
      ['run.batch_size_train=0'],
      '--options run.batch_size_train=0',
      'found:   0',
      'at least 1',
    ],
    [
      'a fraction where a whole number belongs',
      good,
      ['run.num_workers', '1.5'],
      '--options run.num_workers 1.5',
      'a whole number, at least 0',
    ],
    ['a flag', good, ['run.evaluate=maybe'], "the text 'maybe'", 'True or False'],
    ['a choice', good, ['run.on_nan=stopp'], "did you mean 'stop'?", 'stop or skip'],
    ['a text where a list belongs', changed('[train, restval]', 'train'), [], 'a list: each a text'],
    ['an item of a list', good, ['run.train_splits=[train, 3]'], 'run.train_splits.1', 'found:   3'],
    [
      'an unknown key',
      changed('max_epoch', 'max_epohc'),
      [],
      'run.max_epohc is not known',
      /run\.yaml:13:3/,
      "did you mean 'max_epoch'?",
      '--allow-unknown',
    ],
    [
      'a key in the wrong section',
      changed('  model_type', '  weight_decay: 0.1\n  model_type'),
      [],
      'model.weight_decay is not known',
      'did you mean run.weight_decay?',
    ],
    ['an unknown section', `${good}optimizer: {}\n`, [], 'optimizer is not known', /run\.yaml:15:1/],
    [
      'a key deep inside',
      good,
      ['datasets.coco_caption.build_info.annotations.train.storag=x'],
      'datasets.coco_caption.build_info.annotations.train.storag is not known',
      "did you mean 'storage'?",
    ],
    [
      'a key of a processor',
      changed('{name: blip_image_eval}', '{name: blip_image_eval, image_sise: 3}'),
      [],
      'vis_processor.eval.image_sise is not known',
      /run\.yaml:8:37/,
      "did you mean 'image_size'?",
    ],
    [
      'a list of the wrong length',
      good,
      ['datasets.coco_caption.vis_processor.eval.mean=[0, 1]'],
      'vis_processor.eval.mean',
      '[0,1]',
    ],
    [
      'an unknown processor',
      changed('blip_image_eval', 'blip_image_evl'),
      [],
      "no processor is named 'blip_image_evl'",
      /run\.yaml:8:20/,
      "did you mean 'blip_image_eval'?",
    ],
    [
      'an unknown task',
      changed('captioning', 'captoning'),
      [],
      "no task is named 'captoning'",
      /run\.yaml:10:9/,
    ],
    [
      'no task',
      changed('  task: captioning\n', ''),
      [],
      'run.task is missing',
      /run\.yaml:9:1/,
      'captioning',
    ],
    ['an unknown runner', good, ['run.runner=runner_bas'], "did you mean 'runner_base'?"],
    ['an unknown scheduler', good, ['run.lr_sched=cosine_lr'], "did you mean 'linear_warmup_cosine_lr'?"],
    ['an unknown split', changed('restval', 'restvl'), [], /run\.yaml:14:25/, "did you mean 'restval'?"],
    [
      "an image size that is not the model's",
      good,
      ['model.image_size=224'],
      'datasets.coco_caption.vis_processor.eval.image_size is not the image size of the model',
      '384, the default of blip_image_eval',
      '224, as model.image_size',
    ],
    ['lengths that cross', good, ['run.min_len=30', 'run.max_len=20'], 'run.min_len is above run.max_len'],
    [
      'a length above the default of the other',
      good,
      ['run.min_len=40'],
      'run.min_len is above run.max_len',
      'run.max_len is 30',
    ],
    ['an interpolation that refers to nothing', good, [`run.seed=\${run.sede}`], 'refers to nothing'],
    [
      'the type of a dataset',
      changed('vis_processor:', 'type: dflt\n    vis_processor:'),
      [],
      "no type of the dataset coco_caption is named 'dflt'",
      /run\.yaml:7:11/,
    ],
  ];
  for (const [name, text, options, ...parts] of cases) {
    test(`${name} is told with place, finding and remedy`, async () => {
      const message = await faultsOf(text, options);
      for (const part of parts)
        assert.ok(typeof part === 'string' ? message.includes(part) : part.test(message), message);
      assert.doesNotMatch(message, /has \d+ faults/, 'one fault is told once');
    });
  }

  test('all faults are told at once', async () => {
    const message = await faultsOf(
      good
        .replace('base_coco', 'base_coc')
        .replace('coco_caption:', 'coco_captions: {}\n  coco_caption:')
        .replace('max_epoch: 5', 'max_epoch: five')
        .replace('init_lr', 'inti_lr'),
      ['run.seed=x'],
    );
    assert.match(message, /the configuration has 5 faults/);
    for (const part of ["'base_coco'", "'coco_caption'", "'five'", "'init_lr'", 'run.seed=x']) {
      assert.ok(message.includes(part), part);
    }
  });

  test('unknown keys pass when they are allowed to; wrong values never', async () => {
    assert.equal(await faultsOf(changed('max_epoch', 'max_epohc'), [], true), '');
    assert.match(await faultsOf(good, ['run.seed=x'], true), /run\.seed/);
    const check = { allowUnknown: true };
    const options = ['run.mine=1', 'datasets.coco_caption.vis_processor.eval.image_sise=3'];
    const config = await Config.fromFile(join(folder, 'run.yaml'), options, { registry, check });
    assert.equal((config.toJSON().run as { mine?: number }).mine, 1, 'the record keeps it');
    assert.equal(config.run.mine, undefined, 'nobody is handed it');
    assert.deepEqual(config.datasets.coco_caption.vis_processor, { eval: { name: 'blip_image_eval' } });
  });

  test('a class that does not say its keys takes any; a library call without check does too', async () => {
    const own = changed('blip_caption', 'foreign').replace(
      'model_type: base_coco',
      'model_type: a\n  width: 3',
    );
    assert.equal(await faultsOf(own), '');
    assert.equal(await faultsOf(changed('captioning', 'my_task'), ['run.my_key=1']), '');
    writeFileSync(join(folder, 'run.yaml'), changed('max_epoch', 'max_epohc'));
    const config = await Config.fromFile(join(folder, 'run.yaml'), [], { registry });
    assert.equal(config.run.max_epohc, 5);
  });

  test('a key of another task, runner or schedule is refused, and whose it is is told', async () => {
    const told = async (line: string, options: string[] = []) => faultsOf(`${good}  ${line}\n`, options);
    assert.match(
      await told('k_test: 5'),
      /run\.k_test is a key of the task other_task, not of captioning\n {2}where: {3}\S*run\.yaml:15:3/,
    );
    assert.match(
      await told('max_iters: 5'),
      /max_iters is a key of the runner runner_iter, not of runner_base/,
    );
    assert.match(
      await told('lr_decay_rate: 0.9'),
      /of the schedule linear_warmup_step_lr, not of linear_warmup_cosine/,
    );
    assert.equal(await told('k_test: 5', ['run.task=other_task']), '');
    assert.equal(await told('max_iters: 5', ['run.runner=runner_iter']), '');
    assert.match(await told('num_beams: 5', ['run.k_test=3']), /k_test is a key of the task/);
  });

  test('keys of the file that belong to what an option replaces are told, and used by nobody', async () => {
    const path = join(folder, 'run.yaml');
    writeFileSync(path, `${good}  num_beams: 3\n`);
    const config = await Config.fromFile(path, ['run.task=other_task'], { registry, check: true });
    assert.equal(config.run.num_beams, undefined);
    assert.equal((config.toJSON().run as { num_beams?: number }).num_beams, 3);
  });

  test('a section is read with its defaults, null as absent', () => {
    assert.deepEqual(readSection('it', imageSchema, { name: 'x', image_size: null }), {
      name: 'x',
      image_size: 384,
      mean: [0, 0, 0],
    });
    assert.throws(() => readSection('it', imageSchema, { image_sise: 1, mean: 3 }), {
      name: 'ConfigError',
      message:
        /it has 2 faults[\s\S]*it\.mean has a value that is not allowed\s+found: +3\s+allowed: +a list of 3 numbers[\s\S]*it\.image_sise is not known\s+found: +did you mean 'image_size'/,
    });
  });
});
