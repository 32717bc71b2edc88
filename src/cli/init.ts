import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ConfigError } from '../common/errors.js';
import { calledAs, defineCommand } from './command.js';

/** Enough to see it run; far from enough to learn from. */
const PICTURES = 48;

export const init = defineCommand({
  options: {},
  positionals: {
    folder: { type: 'string', demandOption: true, describe: 'A new or empty folder' },
  },
  examples: [
    ['lavis init my-project', 'then: cd my-project && lavis train --cfg-path run.yaml'],
    ['lavis init my-project && ls my-project', 'captions.csv and images/, to be replaced by your own'],
  ],
  epilogue: 'The pictures are drawn; the first lines of run.yaml say how to go on with photos of yours.',
  async handler({ folder }) {
    const target = resolve(folder);
    if (existsSync(target) && (await readdir(target)).length > 0) {
      throw new ConfigError(`${folder} is not empty`, { help: 'name a new folder' });
    }
    await mkdir(join(target, 'images'), { recursive: true });
    await writeFile(join(target, 'captions.csv'), await drawPictures(join(target, 'images')));
    await writeFile(join(target, 'run.yaml'), RUN);
    console.log(`${folder} holds run.yaml, captions.csv and images/ (${PICTURES} pictures). Next:`);
    const lavis = calledAs();
    console.log(`  cd ${folder}\n  ${lavis} train --cfg-path run.yaml`);
    console.log(`  ${lavis} caption images/scene_01.jpg --cfg-path run.yaml`);
  },
});

/** Draws the pictures. @returns the captions as CSV. */
async function drawPictures(folder: string): Promise<string> {
  const { captionsOf, drawScene, scenesOf } = await import('../datasets/index.js');
  const scenes = scenesOf('train', { seed: 7, train: PICTURES, val: 0, test: 0, imageSize: 96 });
  const rows = scenes.map(async (scene, i) => {
    const name = `scene_${String(i + 1).padStart(2, '0')}.jpg`;
    await drawScene(scene, 96, join(folder, name));
    const captions = captionsOf(scene).slice(0, 2);
    return captions.map((caption) => `${name},${caption}\n`).join('');
  });
  return `image,caption\n${(await Promise.all(rows)).join('')}`;
}

const RUN = `# Trains a captioner on captions.csv (image,caption: one row for each caption) and images/.
#
#   lavis train --cfg-path run.yaml
#   lavis caption images/scene_01.jpg --cfg-path run.yaml
#
# With photos of yours: replace captions.csv and images/, and fine-tune BLIP instead of the toy model:
#   model_type: base_coco (and take out both image_size: 64, vis_processor.train is then blip_image_train);
#   run: init_lr: 1e-5, max_epoch: 5, batch_size_train: 4
# Every key: docs/configuration.md of lavis; lavis config --cfg-path run.yaml --origin prints them all.
model:
  arch: blip_caption
  model_type: shapes

datasets:
  custom_caption:
    vis_processor:
      train:
        name: blip_image_eval
        image_size: 64
      eval:
        name: blip_image_eval
        image_size: 64
    build_info:
      annotations:
        all:
          storage: captions.csv
      images:
        storage: images
      splits:
        train: 0.75
        val: 0.125
        test: 0.125

run:
  task: captioning

  lr_sched: linear_warmup_cosine_lr
  init_lr: 1e-3
  min_lr: 1e-5
  warmup_lr: 1e-6
  warmup_steps: 5
  max_epoch: 10
  batch_size_train: 8
  batch_size_eval: 8

  max_len: 30
  min_len: 5
  num_beams: 3

  val_freq: 5
  output_dir: output
  train_splits: [train]
  valid_splits: [val]
  test_splits: [test]
`;
