import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Config, registry } from '#src/index.js';
import { checkRun } from '#src/runs/prepare_run.js';
import { datasetNames } from '#src/tasks/index.js';

const folders = ['projects/blip/train', 'projects/blip/eval'];
const projects = folders.flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));

/** The reference's, and our own small ones. */
const REFERENCE = [
  ...['caption_coco_ft', 'caption_coco_large_ft', 'coco_cap_ft_iter', 'pretrain_14m', 'retrieval_coco_ft'],
  ...['retrieval_flickr_ft', 'vqav2_ft', 'okvqa_ft', 'aokvqa_ft', 'nlvr_ft'],
  ...['caption_coco_eval', 'caption_coco_eval_large', 'nocaps_eval', 'ret_coco_eval', 'ret_flickr_eval'],
  ...['vqav2_eval', 'okvqa_eval', 'aokvqa_eval', 'nlvr_eval'],
];

describe('the YAMLs of projects', () => {
  for (const path of projects) {
    test(`${path} passes every check, and names a model, datasets and a task that there are`, async () => {
      const config = await Config.fromFile(path);
      const { settings, task } = checkRun(config);
      assert.ok(task instanceof Object);
      const { arch, model_type } = config.model;
      const Model = registry.getModelClass(String(arch));
      assert.ok(Object.hasOwn(Model.defaultConfigs, String(model_type)), `${arch}/${model_type}`);
      for (const name of datasetNames(config)) {
        assert.ok(registry.getBuilderClass(name));
        assertProcessed(config, name, settings.evaluate);
      }
      const [, command, used] = /lavis (train|eval) --cfg-path (\S+)/.exec(readFileSync(path, 'utf8'))!;
      assert.deepEqual([used, command], [path, settings.evaluate ? 'eval' : 'train']);
    });
  }

  test('are those of the reference, and more', () => {
    const names = projects.map((path) => path.replace(/^.*\/|\.yaml$/g, ''));
    for (const name of REFERENCE) assert.ok(names.includes(name), name);
  });

  test('each have a script that runs them', () => {
    const scripts = ['train', 'eval'].flatMap((kind) => {
      const folder = `run_scripts/blip/${kind}`;
      return readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
    });
    for (const path of projects) {
      assert.ok(
        scripts.some(
          (script) => script.includes(`--cfg-path ${path} `) || script.includes(`--cfg-path ${path}\n`),
        ),
        path,
      );
    }
  });
});

/** Images come in the model's size, and texts are cleaned. */
function assertProcessed(config: Config, name: string, evaluate: boolean): void {
  const section = config.datasets[name] as Record<string, Record<string, Record<string, unknown>>>;
  const side = evaluate ? 'eval' : 'train';
  const { image_size: size = 384 } = section.vis_processor[side];
  assert.equal(size, config.model.image_size ?? 384, `${name}: images of ${size} pixels`);
  assert.ok(section.text_processor[side].name, `${name}: texts`);
}
