import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeFolderInside, writeFileAtomic } from '../common/files.js';
import { log } from '../common/logging.js';
import { openFile } from '../common/open_file.js';
import { defineCommand } from './command.js';
import { runFolder } from './run_options.js';

export const compare = defineCommand({
  options: {
    json: { type: 'boolean', default: false, describe: 'Print JSON' },
    html: {
      type: 'string',
      requiresArg: true,
      describe: 'Write a page there, too: the curves of both, and what they said of the same images',
    },
    open: { type: 'boolean', default: false, describe: 'Open the page: --html, or a temporary file' },
  },
  positionals: {
    first: runFolder,
    second: { type: 'string', demandOption: true, describe: 'The other run' },
  },
  examples: [
    ['lavis compare output/base output/smaller_rate', 'the newest run of each'],
    ['lavis compare output/base output/smaller_rate --open', 'side by side in the browser'],
    [
      'lavis compare output/mine lavis/output/BLIP/20260101120 --html both.html',
      "beside a run of LAVIS's own",
    ],
  ],
  async handler({ first, second, json, html, open }) {
    const { comparePage, compareRuns, describeComparison, findRun, readRun } = await import(
      '../reports/index.js'
    );
    const [a, b] = [await readRun(await findRun(first)), await readRun(await findRun(second))];
    const comparison = compareRuns(a, b);
    const page =
      html ?? (open ? join(makeFolderInside(tmpdir(), 'lavis-compare-'), 'compare.html') : undefined);
    if (page) await writeFileAtomic(page, await comparePage(a, b, comparison));
    if (json) console.log(JSON.stringify({ a: a.folder, b: b.folder, ...comparison }, null, 2));
    else console.log(describeComparison(a.name, b.name, comparison));
    if (page && open && !(await openFile(page))) log.warn(`no program was found that opens ${page}`);
  },
});
