import { join } from 'node:path';
import { messageOf } from '../common/errors.js';
import { writeFileAtomic } from '../common/files.js';
import { log } from '../common/logging.js';
import { defineCommand } from './command.js';
import { reportPage } from './pages/report_page.js';
import { findRun, readRun } from './runs/read_run.js';
import { runFolder } from './runs/run_argument.js';
import { scoredImages } from './runs/score_images.js';

const IMAGES = 200;

export const report = defineCommand({
  command: 'report <folder>',
  describe: "Write a run's report.html: curves, scores, images worst first, configuration, environment",
  options: {
    images: {
      type: 'number',
      requiresArg: true,
      default: IMAGES,
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
    console.log(await writeReport(await findRun(folder), { images, out }));
  },
});

/** Writes report.html in a run's folder. @returns its path */
export async function writeReport(
  folder: string,
  options: { images?: number; out?: string } = {},
): Promise<string> {
  const run = await readRun(folder);
  const path = options.out ?? join(folder, 'report.html');
  await writeFileAtomic(path, await reportPage(run, await scoredImages(run, options.images ?? IMAGES)));
  return path;
}

/** The same at the end of a run, which a report that fails must not spoil. */
export async function reportAtEnd(folder: string): Promise<void> {
  try {
    log.info(`The report is ${await writeReport(folder)}`);
  } catch (thrown) {
    log.warn(`no report was written (lavis report ${folder} tries again): ${messageOf(thrown)}`);
  }
}
