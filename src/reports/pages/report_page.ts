import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { messageOf } from '../../common/errors.js';
import { writeFileAtomic } from '../../common/files.js';
import { log } from '../../common/logging.js';
import { clock } from '../../common/words.js';
import type { MetricsLine } from '../../runners/index.js';
import type { ShownSample } from '../../tasks/index.js';
import { type EvaluatedTable, evaluatedTables, primaryMetric } from '../evaluated.js';
import { Marks } from '../marks.js';
import { bestScore, duration, type RunData, readRun, type Setting } from '../read_run.js';
import { curves, scoreTable } from './curves.js';
import { asset, Html, html } from './html.js';
import { judgedTable } from './judged_table.js';
import { thumbnail } from './thumbnail.js';

/** Pixels of a thumbnail: two for each that is shown. */
const THUMBNAIL = 160;

/** The report of a run: one file that loads nothing. */
async function reportPage(
  run: RunData,
  tables: readonly EvaluatedTable[],
  explain?: Explain,
): Promise<string> {
  const evaluations = run.lines.filter(({ kind }) => kind === 'evaluation');
  const parts = [
    summary(run),
    html`<h2>Curves</h2>${curves(run)}`,
    html`<h2>Scores</h2>${scoreTable(evaluations)}`,
    ...(await Promise.all(tables.map((table) => sampleTable(run, table, explain)))),
    configuration(run.config),
    environment(run),
  ];
  return standalone(
    `${run.name} · report`,
    html`<header><div><h1>${run.name}</h1>
<p class="quiet">${run.folder}</p></div></header><main>${parts}</main>`,
  );
}

/** A whole document with its style and script inside; the policy lets nothing else in. */
export function standalone(title: string, body: Html): string {
  const script = `${asset('chart.js')}\n${asset('judge.js')}`;
  const style = asset('page.css');
  const policy =
    `default-src 'none'; img-src data:; style-src '${hashOf(style)}'; script-src '${hashOf(script)}'; ` +
    "base-uri 'none'";
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${title}</title><style>${new Html(style)}</style></head>
<body>${body}<script>${new Html(script)}</script></body></html>
`.text;
}

const hashOf = (text: string) => `sha256-${createHash('sha256').update(text).digest('base64')}`;

function summary(run: RunData): Html {
  const { lines, record } = run;
  const primary = primaryMetric(run);
  const best = bestScore(lines);
  const loss = lines.findLast(({ kind }) => kind === 'epoch')?.loss;
  const test = lines.findLast(({ kind, split }) => kind === 'evaluation' && split !== best?.split);
  const scoreOf = (line: MetricsLine | undefined) => {
    const value = line?.[primary];
    return typeof value === 'number' ? value.toFixed(3) : undefined;
  };
  const over = lines.some(({ kind }) => kind === 'end');
  const facts: [string, string | undefined][] = [
    ['state', record && (over ? 'finished' : 'not finished')],
    ['started', record?.started.slice(0, 16).replace('T', ' ')],
    ['time', Number.isFinite(duration(lines)) ? clock(duration(lines)) : undefined],
    ['parameters', record && `${(record.parameters / 1e6).toFixed(1)} million`],
    ['last training loss', typeof loss === 'number' ? loss.toFixed(4) : undefined],
    [`best ${primary}, ${best?.split}`, scoreOf(best)],
    ...(typeof best?.loss === 'number' && primary !== 'loss'
      ? [[`its loss, ${best.split}`, best.loss.toFixed(4)] satisfies [string, string]]
      : []),
    [`${primary}, ${test?.split}`, scoreOf(test)],
  ];
  return html`<dl class="tiles">${facts.map(
    ([name, value]) => value !== undefined && html`<div><dt>${name}</dt><dd>${value}</dd></div>`,
  )}</dl>`;
}

async function sampleTable(run: RunData, table: EvaluatedTable, explain?: Explain): Promise<Html> {
  const { split, label, score, samples, total } = table;
  const looks = explain ? await looksOf(samples, explain) : undefined;
  const marks = await Marks.read(run.folder);
  const shown = await Promise.all(
    samples.map(async (sample) => ({
      sample,
      pictures: await embedded(sample.files),
      mark: marks.of(split, sample),
      looks: looks?.get(sample),
    })),
  );
  const order = score === undefined ? '' : ', worst first';
  const count = samples.length < total ? `${samples.length} of ${total}${order}` : `${total}${order}`;
  const unscored = samples.every(({ references }) => references.length === 0)
    ? 'There are no references to score against.'
    : 'Not scored.';
  return html`<h2>Samples of ${split}, epoch ${label}<span class="quiet beside">${count}</span></h2>
${score === undefined && html`<p class="quiet">${unscored}</p>`}
${judgedTable({ run: run.name, split, score, samples: shown })}`;
}

/** Draws where the model looked in the worst samples and in the best ones. */
async function looksOf(
  samples: readonly ShownSample[],
  { count, draw }: Explain,
): Promise<Map<ShownSample, Html>> {
  const chosen = new Set([...samples.slice(0, count), ...samples.slice(-count)]);
  const looks = new Map<ShownSample, Html>();
  for (const sample of chosen) {
    const drawn = await draw(sample);
    if (!drawn) continue;
    const data = Buffer.from(drawn).toString('base64');
    looks.set(
      sample,
      html`<details><summary>where it looked for each word</summary><img src="data:image/png;base64,${data}" alt="${sample.said}"></details>`,
    );
  }
  return looks;
}

/** Pictures that stand in the page itself; none for what is no image. */
export async function embedded(files: readonly string[]): Promise<Html[]> {
  const drawn = await Promise.all(
    files.map(async (file) => {
      const small = await thumbnail(file, THUMBNAIL);
      if (!small) return [];
      const data = Buffer.from(small).toString('base64');
      return [html`<img class="thumb" src="data:image/jpeg;base64,${data}" alt="${basename(file)}">`];
    }),
  );
  return drawn.flat();
}

/** What somebody chose first; the defaults below. */
function configuration(config: readonly Setting[]): Html {
  const isDefault = ({ origin }: Setting) => origin?.endsWith('(default)') === true;
  const table = (
    settings: readonly Setting[],
  ) => html`<table><thead><tr><th>key</th><th>value</th><th>written in</th></tr></thead>
<tbody>${settings.map(
    (setting) => html`<tr class="${!isDefault(setting) && 'given'}"><td><code>${setting.key}</code></td>
<td><code>${JSON.stringify(setting.value)}</code></td><td class="from">${setting.origin}</td></tr>
`,
  )}</tbody></table>`;
  const defaults = config.filter(isDefault);
  return html`<h2>Configuration</h2>${table(config.filter((setting) => !isDefault(setting)))}
${defaults.length > 0 && html`<details><summary>${defaults.length} value${defaults.length > 1 && 's'} from the defaults</summary>${table(defaults)}</details>`}`;
}

function environment({ record }: RunData): Html {
  if (!record) return html``;
  const facts = Object.entries({ command: record.command.join(' '), ...record.environment });
  return html`<h2>Environment</h2><table><tbody>${facts.map(
    ([name, value]) => html`<tr><th>${name}</th><td><code>${value}</code></td></tr>
`,
  )}</tbody></table>`;
}

/** How a report shows where the model looked. */
export interface Explain {
  /** How many samples of each split, from both ends. */
  count: number;
  /** A PNG; undefined for a sample without a picture of its own. */
  draw(sample: ShownSample): Promise<Uint8Array | undefined>;
}

/** Writes report.html in a run's folder. @param options.images of each split at most @returns its path */
export async function writeReport(
  folder: string,
  {
    images = 200,
    out = join(folder, 'report.html'),
    explain,
  }: { images?: number; out?: string; explain?: Explain } = {},
): Promise<string> {
  const run = await readRun(folder);
  await writeFileAtomic(out, await reportPage(run, await evaluatedTables(run, images), explain));
  return out;
}

/** The same at the end of a run, which a report that fails must not spoil. */
export async function reportAtEnd(folder: string): Promise<void> {
  try {
    log.info(`The report is ${await writeReport(folder)}`);
  } catch (thrown) {
    log.warn(`no report was written (lavis report ${folder} tries again): ${messageOf(thrown)}`);
  }
}
