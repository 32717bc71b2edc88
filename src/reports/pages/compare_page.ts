import type { MetricsLine } from '../../runners/index.js';
import type { Comparison } from '../compare_runs.js';
import { readShown } from '../evaluated.js';
import { lastEvaluations, type RunData } from '../read_run.js';
import { lineChart, shortNumber } from './chart.js';
import { pointsOf } from './curves.js';
import { type Html, html } from './html.js';
import { type JudgedSample, judgedTable } from './judged_table.js';
import { embedded, standalone } from './report_page.js';

/** Epochs of runs of different lengths stand below each other. */
const byEpoch = (line: MetricsLine): MetricsLine => ({ ...line, iteration: line.epoch + 1 });

/** Both runs' curves over each other, then the tables; one file that loads nothing. */
export async function comparePage(a: RunData, b: RunData, { config, metrics }: Comparison): Promise<string> {
  const runs = [a, b];
  const charts: [title: string, name: string, kind: MetricsLine['kind'], smooth: boolean][] = [
    ['Training loss', 'loss', 'step', true],
    ['Loss by epoch', 'loss', 'epoch', false],
    ['CIDEr', 'CIDEr', 'evaluation', false],
    ['Learning rate', 'lr', 'step', false],
    ['Images per second', 'images_per_second', 'step', false],
  ];
  const names = a.name === b.name ? [a.folder, b.folder] : [a.name, b.name];
  const drawn = charts.map(([title, name, kind, smooth]) =>
    lineChart({
      title,
      unit: kind === 'step' ? 'step' : 'epoch',
      series: runs.map(({ lines }, i) => {
        const split = lines.find((line) => line.kind === 'evaluation')?.split;
        const own = lines.filter(
          (line) => line.kind === kind && (kind !== 'evaluation' || line.split === split),
        );
        return {
          name: ['A', 'B'][i],
          points: pointsOf(kind === 'step' ? own : own.map(byEpoch), name),
          smooth,
        };
      }),
    }),
  );
  const head = html`<thead><tr><th></th><th>A</th><th>B</th></tr></thead>`;
  const cell = (value: unknown) =>
    html`<td><code>${value === undefined ? '–' : JSON.stringify(value)}</code></td>`;
  const number = (value: number | undefined) =>
    html`<td class="n">${value === undefined ? '–' : shortNumber(value)}</td>`;
  return standalone(
    'two runs · lavis compare',
    html`<header><div><h1>Two runs</h1><p><span class="key c0">A</span> ${names[0]}</p>
<p><span class="key c1">B</span> ${names[1]}</p></div></header>
<main><h2>Curves</h2><div class="charts">${drawn}</div>
<h2>Numbers</h2><table><thead><tr><th></th><th class="n">A</th><th class="n">B</th></tr></thead><tbody>${metrics.map(
      ({ name, a, b }) => html`<tr><td>${name}</td>${number(a)}${number(b)}</tr>
`,
    )}</tbody></table>
${await besideEachOther(a, b)}
<h2>Configuration, where it differs</h2><table>${head}<tbody>${config.map(
      ({ key, a, b }) => html`<tr><td><code>${key}</code></td>${cell(a)}${cell(b)}</tr>
`,
    )}</tbody></table></main>`,
  );
}

/** Samples of a split at most. */
const MOST = 200;

/** What both runs said last of the same samples, those first whose scores are furthest apart. */
async function besideEachOther(a: RunData, b: RunData): Promise<Html[]> {
  const [ours, theirs] = [lastEvaluations(a.lines), lastEvaluations(b.lines)];
  const parts = ours.map(async (line): Promise<Html | undefined> => {
    const same = theirs.find(({ split }) => split === line.split);
    if (!same) return undefined;
    const [left, right] = [await readShown(a, line), await readShown(b, same)];
    const others = new Map(right.samples.map((sample) => [String(sample.id), sample]));
    const pairs = left.samples.flatMap((sample) => {
      const other = others.get(String(sample.id));
      return other ? [{ sample, other }] : [];
    });
    if (pairs.length === 0) return undefined;
    const apart = ({ sample, other }: (typeof pairs)[number]) =>
      Math.abs((sample.score ?? 0) - (other.score ?? 0));
    const furthest = pairs.toSorted((x, y) => apart(y) - apart(x)).slice(0, MOST);
    const samples = await Promise.all(
      furthest.map(
        async (pair): Promise<JudgedSample> => ({ ...pair, pictures: await embedded(pair.sample.files) }),
      ),
    );
    const count = pairs.length > MOST ? `the ${MOST} furthest apart of ${pairs.length}` : `${pairs.length}`;
    return html`<h2>Samples of ${line.split}, beside each other<span class="quiet beside">${count}, by ${left.score ?? 'no score'}</span></h2>
${judgedTable({ run: `${a.name} ${b.name}`, split: line.split!, score: left.score, samples, two: true })}`;
  });
  return (await Promise.all(parts)).flatMap((part) => part ?? []);
}
