import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ConfigError } from '../common/errors.js';
import { calledAs, defineCommand, UsageError } from './command.js';

/** As projects has them, which is not loaded for help. */
const RECIPES = ['full', 'frozen', 'lora'] as const;

export const init = defineCommand({
  options: {
    from: {
      type: 'string',
      requiresArg: true,
      describe: 'A folder of photos with captions, in any form that a run reads; they stay where they are',
    },
    recipe: {
      choices: RECIPES,
      requiresArg: true,
      defaultDescription: 'by the number of photos and whether there is a GPU',
      describe:
        'What of the model is trained: all of it, its text side alone, or small matrices beside that (LoRA)',
    },
    gpu: { type: 'boolean', defaultDescription: 'looked for', describe: 'The run will have a GPU' },
    'no-gpu': { type: 'boolean', defaultDescription: 'looked for', describe: 'The run will have none' },
  },
  positionals: {
    folder: { type: 'string', demandOption: true, describe: 'A new or empty folder' },
  },
  examples: [
    ['lavis init my-run --from photos', 'run.yaml for these photos, with the reason for each number'],
    ['lavis init my-run --from photos --recipe lora --no-gpu', 'for another machine than this one'],
    ['lavis init my-project', 'drawn pictures, then: cd my-project && lavis train --cfg-path run.yaml'],
  ],
  epilogue:
    "--from takes texts beside photos (dog.jpg, dog.txt), Hugging Face's imagefolder (metadata.csv, metadata.jsonl), a " +
    "table or JSON of images and captions, COCO's too; folders train, val and test in it are the splits.",
  async handler({ folder, from, recipe, gpu: yes, 'no-gpu': no }) {
    const { writePhotoProject, writeToyProject } = await import('../projects/index.js');
    const target = resolve(folder);
    if (existsSync(target) && (await readdir(target)).length > 0) {
      throw new ConfigError(`${folder} is not empty`, { help: 'name a new folder' });
    }
    if (yes && no) throw new UsageError('--gpu and --no-gpu exclude each other');
    const gpu = yes ? true : no ? false : undefined;
    if (from === undefined && (recipe !== undefined || gpu !== undefined)) {
      throw new UsageError('--recipe and --gpu go with --from FOLDER, your photos');
    }
    const lavis = calledAs();
    if (from !== undefined) {
      const { lines } = await writePhotoProject(target, { from: resolve(from), recipe, gpu });
      console.log(lines.map((line) => `- ${line}`).join('\n'));
      console.log(`\n${folder}/run.yaml says so too. Next:\n  cd ${folder}`);
      console.log(`  ${lavis} data --cfg-path run.yaml\n  ${lavis} train --cfg-path run.yaml --dry-run`);
      console.log(`  ${lavis} train --cfg-path run.yaml`);
      return;
    }
    const pictures = await writeToyProject(target);
    console.log(`${folder} holds run.yaml, captions.csv and images/ (${pictures} pictures). Next:`);
    console.log(`  cd ${folder}\n  ${lavis} train --cfg-path run.yaml`);
    console.log(`  ${lavis} caption images/scene_01.jpg --cfg-path run.yaml`);
  },
});
