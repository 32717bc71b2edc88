import { clock } from '../../common/words.js';
import type { MetricsLine } from '../../runners/index.js';
import { otherMetrics, primaryMetric } from '../evaluated.js';
import { bestScore, duration, type RunData } from '../read_run.js';
import { type Chart, lineChart, type Point, shortNumber } from './chart.js';
import { type Html, html } from './html.js';

const TRAINING_LOSS = 'Training loss';
/** With those of valid splits. */
const LOSSES = 'Loss';

/** A run's curves: loss, scores, rate, gradient, speed; those that the run has no numbers for are left out. */
export function curves(run: RunData): Html {
  const { lines } = run;
  const primary = primaryMetric(run);
  const steps = lines.filter(({ kind }) => kind === 'step');
  const epochs = lines.filter(({ kind }) => kind === 'epoch');
  const scored = lines.filter(({ kind }) => kind === 'evaluation');
  const unit = steps.length > 0 ? 'step' : 'epoch';
  const splits = [...new Set(scored.map(({ split }) => split!))];
  const losses = splits
    .map((split) => ({ name: split, points: pointsOf(ofSplit(scored, split), 'loss') }))
    .filter(({ points }) => points.length > 0);
  const percent = (value: number) => `${Math.round(value * 100)}%`;
  const charts: Chart[] = [
    {
      title: losses.length > 0 ? LOSSES : TRAINING_LOSS,
      unit,
      series: [
        {
          name: losses.length > 0 ? 'train' : 'loss',
          smooth: true,
          points: pointsOf(steps.length > 0 ? steps : epochs, 'loss'),
        },
        ...losses,
      ],
    },
    {
      title: primary,
      unit,
      format: (value) => value.toFixed(3),
      series: splits.map((split) => ({
        name: split,
        points: primary === 'loss' ? [] : pointsOf(ofSplit(scored, split), primary),
      })),
    },
    {
      title: splits.length > 0 ? `Others, ${splits[0]}` : 'Other scores',
      unit,
      format: (value) => value.toFixed(3),
      series: otherMetrics(run).map((name) => ({
        name,
        points: pointsOf(ofSplit(scored, splits[0]), name),
      })),
    },
    {
      title: 'Learning rate',
      unit,
      series: [{ name: 'lr', points: pointsOf(steps.length > 0 ? steps : epochs, 'lr') }],
    },
    {
      title: 'Gradient norm',
      unit,
      series: [{ name: 'norm', smooth: true, points: pointsOf(steps, 'grad_norm') }],
    },
    {
      title: 'Images per second',
      unit,
      series: [{ name: 'images/s', points: pointsOf(steps, 'images_per_second') }],
    },
    {
      title: 'Time spent waiting for data',
      unit,
      format: percent,
      series: [{ name: 'waiting', points: pointsOf(steps, 'data_wait') }],
    },
  ];
  const having = (chart: Chart) => chart.series.some(({ points }) => points.length > 0);
  const end = lines.reduce((last, { iteration }) => Math.max(last, iteration), 1);
  const always = new Set([TRAINING_LOSS, LOSSES, ...(primary === 'loss' ? [] : [primary]), 'Learning rate']);
  const shown = charts.filter((chart) => having(chart) || always.has(chart.title)).slice(0, 6);
  return html`<div class="charts">${shown.map((chart) => lineChart({ ...chart, end }))}</div>`;
}

const ofSplit = (lines: readonly MetricsLine[], split: string) =>
  lines.filter((line) => line.split === split);

export function pointsOf(lines: readonly MetricsLine[], name: string): Point[] {
  return lines.flatMap((line): Point[] => {
    const value = line[name];
    return typeof value === 'number' && Number.isFinite(value) ? [[line.iteration, value]] : [];
  });
}

/** Facts about a run at a glance. */
export function tiles(run: RunData): Html {
  const { lines } = run;
  const rounds = run.record?.rounds;
  const primary = primaryMetric(run);
  const step = lines.findLast(({ kind }) => kind === 'step');
  const best = bestScore(lines);
  const over = lines.some(({ kind }) => kind === 'end');
  const number = (line: MetricsLine | undefined, name: string, show: (value: number) => string) =>
    typeof line?.[name] === 'number' ? show(line[name] as number) : undefined;
  const facts: [string, string | undefined][] = [
    ['epoch', step && `${step.epoch + 1}${rounds ? ` of ${rounds}` : ''}`],
    ['step', step && `${step.step} of ${step.steps}`],
    ['loss', number(step, 'loss', (value) => value.toFixed(4))],
    [`best ${primary}`, number(best, primary, (value) => value.toFixed(3))],
    [
      `${best?.split} loss`,
      primary === 'loss' ? undefined : number(best, 'loss', (value) => value.toFixed(4)),
    ],
    ['images/s', number(step, 'images_per_second', shortNumber)],
    ['waiting for data', number(step, 'data_wait', (value) => `${Math.round(100 * value)}%`)],
    ['memory', number(step, 'memory_bytes', (value) => `${(value / 1e9).toFixed(1)} GB`)],
    over ? ['time', clock(duration(lines))] : ['time left', number(step, 'eta_seconds', clock)],
  ];
  return html`<dl class="tiles">${facts.map(
    ([name, value]) => value !== undefined && html`<div><dt>${name}</dt><dd>${value}</dd></div>`,
  )}</dl>`;
}

/** The scores of evaluations, one row each. */
export function scoreTable(evaluations: readonly MetricsLine[]): Html {
  const place = new Set(['kind', 'epoch', 'iteration', 'time', 'split', 'label', 'best', 'agg_metrics']);
  const names = [...new Set(evaluations.flatMap(Object.keys))].filter((name) => !place.has(name));
  if (evaluations.length === 0) return html`<p class="quiet">Nothing was evaluated.</p>`;
  return html`<div class="wide" tabindex="0" role="region" aria-label="scores"><table class="scores"><thead><tr><th>split</th><th>epoch</th>${names.map(
    (name) => html`<th class="n">${name}</th>`,
  )}</tr></thead><tbody>${evaluations.map(
    (line) => html`<tr><td>${line.split}</td><td>${line.label ?? line.epoch}</td>${names.map((name) => {
      const value = line[name];
      return html`<td class="n">${typeof value === 'number' ? value.toFixed(4) : ''}</td>`;
    })}</tr>
`,
  )}</tbody></table></div>`;
}
