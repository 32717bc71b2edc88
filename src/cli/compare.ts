import { writeFileAtomic } from '../common/files.js';
import { type Comparison, comparePage, compareRuns, findRun, readRun } from '../reports/index.js';
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
    const [a, b] = [await readRun(await findRun(first)), await readRun(await findRun(second))];
    const comparison = compareRuns(a, b);
    if (html) await writeFileAtomic(html, comparePage(a, b, comparison));
    if (json) console.log(JSON.stringify({ a: a.folder, b: b.folder, ...comparison }, null, 2));
    else console.log(tableOf(a.name, b.name, comparison));
  },
});

function tableOf(a: string, b: string, { config, metrics }: Comparison): string {
  const absent = (value: unknown) => (value === undefined ? '–' : JSON.stringify(value));
  const settings = config.map(({ key, a, b }) => [`  ${key}`, absent(a), absent(b)]);
  const numbers = metrics.map(({ name, a, b }) => [`  ${name}`, shown(a), shown(b), change(a, b)]);
  const none = settings.length === 0 ? [['  (no difference)']] : [];
  const rows = [['', a, b], ['configuration'], ...settings, ...none, ['numbers'], ...numbers];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const shown = (value: number | undefined) =>
  value === undefined ? '–' : Number.isInteger(value) ? String(value) : value.toFixed(4);

/** `+0.1200`, where both are there. */
export function change(a: number | undefined, b: number | undefined): string {
  if (a === undefined || b === undefined || a === b) return '';
  const by = b - a;
  return `${by > 0 ? '+' : '-'}${shown(Math.abs(by))}`;
}
