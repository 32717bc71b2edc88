import { writeFileAtomic } from '../common/files.js';
import { defineCommand } from './command.js';
import { runFolder } from './run_options.js';

export const compare = defineCommand({
  options: {
    json: { type: 'boolean', default: false, describe: 'Print JSON' },
    html: { type: 'string', requiresArg: true, describe: 'Write a page with the curves of both there, too' },
  },
  positionals: {
    first: runFolder,
    second: { type: 'string', demandOption: true, describe: 'The other run' },
  },
  examples: [
    ['lavis compare output/base output/smaller_rate', 'the newest run of each'],
    [
      'lavis compare output/mine lavis/output/BLIP/20260101120 --html both.html',
      "beside a run of LAVIS's own",
    ],
  ],
  async handler({ first, second, json, html }) {
    const { comparePage, compareRuns, describeComparison, findRun, readRun } = await import(
      '../reports/index.js'
    );
    const [a, b] = [await readRun(await findRun(first)), await readRun(await findRun(second))];
    const comparison = compareRuns(a, b);
    if (html) await writeFileAtomic(html, comparePage(a, b, comparison));
    if (json) console.log(JSON.stringify({ a: a.folder, b: b.folder, ...comparison }, null, 2));
    else console.log(describeComparison(a.name, b.name, comparison));
  },
});
