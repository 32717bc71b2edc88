import { defineCommand } from './command.js';
import { runFolder } from './run_options.js';

export const report = defineCommand({
  options: {
    images: {
      type: 'number',
      requiresArg: true,
      defaultDescription: '200',
      describe: 'Images of each split at most, the worst ones',
    },
    explain: {
      type: 'number',
      requiresArg: true,
      describe: 'Draw where the model looked for each word, in so many of the worst images and of the best',
    },
    out: {
      type: 'string',
      requiresArg: true,
      describe: 'Where to write it; report.html in the folder unless given',
    },
  },
  positionals: { folder: runFolder },
  examples: [
    ['lavis report output/BLIP/Caption_shapes', 'writes the report of the newest run there'],
    ['lavis report my_run --explain 3', 'with where the model looked, in the 3 worst images and the 3 best'],
    ['lavis report my_run --images 1000 --out worst.html', 'with more images, to another file'],
  ],
  epilogue:
    'One file that loads nothing from anywhere: it can be mailed. lavis train writes it when a run ends; the\n' +
    "folders of LAVIS's own runs can be read too.",
  async handler({ folder, images, out, explain }) {
    const { findRun, writeReport } = await import('../reports/index.js');
    const run = await findRun(folder);
    const drawing = explain
      ? await (await import('../inference/index.js')).explainRun(run, explain)
      : undefined;
    console.log(await writeReport(run, { images, out, explain: drawing }));
  },
});
