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
    out: {
      type: 'string',
      requiresArg: true,
      describe: 'Where to write it; report.html in the folder unless given',
    },
  },
  positionals: { folder: runFolder },
  examples: [
    ['lavis report output/BLIP/Caption_shapes', 'writes the report of the newest run there'],
    ['lavis report my_run --images 1000 --out worst.html', 'with more images, to another file'],
  ],
  epilogue:
    'One file that loads nothing from anywhere: it can be mailed. lavis train writes it when a run ends; the\n' +
    "folders of LAVIS's own runs can be read too.",
  async handler({ folder, images, out }) {
    const { findRun, writeReport } = await import('../reports/index.js');
    console.log(await writeReport(await findRun(folder), { images, out }));
  },
});
