import { type Html, html } from './html.js';

export type Point = readonly [x: number, y: number];

interface Series {
  name: string;
  points: readonly Point[];
  /** A line of means over it: noisy values are easier to follow. */
  smooth?: boolean;
  /** Which of the page's colours, 0 to 5; its place in the list unless given. */
  colour?: number;
}

export interface Chart {
  title: string;
  series: readonly Series[];
  /** What x counts. */
  unit: string;
  /** Where x ends: charts beside each other share it. */
  end?: number;
  format?: (value: number) => string;
}

const WIDTH = 400;
const HEIGHT = 156;
const BOX = { left: 48, right: WIDTH - 10, top: 10, bottom: HEIGHT - 22 };
/** More points than pixels only make a page slow. */
const MOST_POINTS = 320;

/** A line chart as SVG; page.js shows the values under the pointer. */
export function lineChart({ title, series, unit, end, format = shortNumber }: Chart): Html {
  const shown = series
    .map((one, i) => ({
      colour: i,
      ...one,
      points: thinned(one.points.filter(([, y]) => Number.isFinite(y))),
    }))
    .filter(({ points }) => points.length > 0);
  const all = shown.flatMap(({ points }) => points);
  const x = scale(end === undefined ? all.map((point) => point[0]) : [0, end], BOX.left, BOX.right);
  const y = scale(
    all.map((point) => point[1]),
    BOX.bottom,
    BOX.top,
    0.06,
  );
  const data = shown.map(({ name, colour, points }) => ({
    name,
    colour,
    points: points.map(([px, py]) => [round(x.at(px)), round(y.at(py)), px, format(py)]),
  }));
  return html`<figure class="chart" data-unit="${unit}" data-series="${JSON.stringify(data)}">
<figcaption><b>${title}</b><span class="now">${shown.map(
    ({ name, colour, points }) =>
      html`<span class="key c${colour}">${shown.length > 1 && html`${name} `}${format(points.at(-1)![1])}</span>`,
  )}</span></figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}">
${
  shown.length === 0
    ? html`<text class="none" x="${WIDTH / 2}" y="${HEIGHT / 2}">nothing yet</text>`
    : [
        y.ticks.map(
          (tick) => html`<path class="grid" d="M${BOX.left} ${round(y.at(tick))}H${BOX.right}"/>
<text class="y" x="${BOX.left - 6}" y="${round(y.at(tick)) + 3.5}">${format(tick)}</text>`,
        ),
        x.ticks.map(
          (tick) =>
            html`<text class="x" x="${round(x.at(tick))}" y="${HEIGHT - 6}">${shortNumber(tick)}</text>`,
        ),
        shown.map(({ points, smooth, colour }) => lines(points, smooth === true, colour)),
        html`<path class="cursor" d=""/>`,
      ]
}</svg></figure>`;

  function lines(points: readonly Point[], smooth: boolean, colour: number): Html {
    const path = (list: readonly Point[]) =>
      list.map(([px, py], i) => `${i === 0 ? 'M' : 'L'}${round(x.at(px))} ${round(y.at(py))}`).join('');
    const few = points.length <= 24 && !smooth;
    return html`<path class="line c${colour}${smooth && points.length > 8 && ' faint'}" d="${path(points)}"/>
${smooth && points.length > 8 && html`<path class="line c${colour}" d="${path(smoothed(points))}"/>`}
${few && points.map(([px, py]) => html`<circle class="c${colour}" cx="${round(x.at(px))}" cy="${round(y.at(py))}" r="3"/>`)}`;
  }
}

/** Means over a window of a fortieth of the points, at each of them. */
function smoothed(points: readonly Point[]): Point[] {
  const half = Math.max(2, Math.round(points.length / 40));
  return points.map(([x], i) => {
    const near = points.slice(Math.max(0, i - half), i + half + 1);
    return [x, near.reduce((sum, point) => sum + point[1], 0) / near.length];
  });
}

/** Neighbours averaged until they are few enough. */
function thinned(points: readonly Point[]): Point[] {
  const size = Math.ceil(points.length / MOST_POINTS);
  if (size <= 1) return [...points];
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i): Point => {
    const group = points.slice(i * size, (i + 1) * size);
    const mean = (axis: 0 | 1) => group.reduce((sum, point) => sum + point[axis], 0) / group.length;
    return [Math.round(mean(0)), mean(1)];
  });
}

/** @param pad room beyond the values, as a part of their span */
function scale(values: readonly number[], from: number, to: number, pad = 0) {
  let low = values.reduce((a, b) => Math.min(a, b), Infinity);
  let high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  if (low === high)
    [low, high] = low === 0 ? [0, 1] : [low - Math.abs(low) * 0.1, high + Math.abs(high) * 0.1];
  const room = (high - low) * pad;
  const floor = low >= 0 ? Math.max(0, low - room) : low - room;
  const ceiling = high + room;
  return {
    at: (value: number) => from + ((value - floor) / (ceiling - floor)) * (to - from),
    ticks: ticksBetween(floor, ceiling),
  };
}

/** Three to six round numbers. */
function ticksBetween(low: number, high: number): number[] {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough)!;
  const ticks: number[] = [];
  for (let n = Math.ceil(low / step); n * step <= high; n++) ticks.push(Number((n * step).toPrecision(12)));
  return ticks;
}

const round = (value: number) => Math.round(value * 10) / 10;

/** 12400 -> '12.4k', 0.00012 -> '1.2e-4', 1.23456 -> '1.235' */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (value === 0) return '0';
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
  if (size < 1e-3) return value.toExponential(1).replace('.0e', 'e');
  return String(Number(value.toPrecision(4)));
}
