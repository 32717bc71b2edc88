import type { MetricsLine } from '../../runners/index.js';
import { readShown } from '../evaluated.js';
import { lastEvaluations, type RunData } from '../read_run.js';
import { curves, tiles } from './curves.js';
import { type Html, html } from './html.js';

/** Samples that the page shows. */
const SHOWN = 12;

/** The parts of the live page by their element's id: live.js replaces those that changed. */
export async function watchSections(run: RunData): Promise<Record<string, string>> {
  const { lines, record } = run;
  const sections = {
    status: status(lines, record?.rounds),
    tiles: tiles(run),
    curves: curves(run),
    samples: await samples(run),
  };
  return Object.fromEntries(Object.entries(sections).map(([id, part]) => [id, part.text]));
}

/** The page before its first sections arrive; styles and scripts are files of their own. */
export const watchDocument = ({ name, folder }: RunData): string =>
  html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${name} · lavis watch</title><link rel="stylesheet" href="/page.css"></head>
<body><header><div><h1>${name}</h1><p class="quiet">${folder}</p></div><div id="status"></div></header>
<main><section id="tiles"></section><section id="curves"></section><section id="samples"></section></main>
<script src="/chart.js"></script><script src="/live.js"></script></body></html>
`.text;

function status(lines: readonly MetricsLine[], rounds?: number): Html {
  const last = lines.at(-1);
  if (!last) return html`<span class="pill">waiting for the first step</span>`;
  const over = lines.some(({ kind }) => kind === 'end');
  const step = lines.findLast(({ kind }) => kind === 'step');
  const part = step && rounds ? (step.epoch + step.step! / Number(step.steps)) / rounds : undefined;
  return html`<span class="pill ${over ? 'over' : 'going'}">${over ? 'finished' : 'running'}</span>
<span class="quiet" data-time="${Number.isFinite(last.time) && last.time}"></span>
${part !== undefined && html`<progress max="1" value="${part.toFixed(4)}"></progress>`}`;
}

/** What was said in the newest evaluation, beside the pictures. */
async function samples(run: RunData): Promise<Html> {
  const line = lastEvaluations(run.lines).at(-1);
  if (!line)
    return html`<h2>Newest samples</h2><p class="quiet">None yet: they come with the first evaluation.</p>`;
  const split = line.split!;
  const shown = (await readShown(run, line)).samples.slice(0, SHOWN);
  return html`<h2>Newest samples <span class="quiet beside">${split}, epoch ${line.label} · <a href="/evaluated">look through all and mark them</a></span></h2>
<div class="samples">${shown.map(({ id, files, asked, said, logProbability, references: [reference] }) => {
    const pictures = files.map((file, place) => {
      const photo = `/photo?${new URLSearchParams({ split, id: String(id), place: String(place) })}`;
      return html`<img src="${photo}" alt="${file}" loading="lazy">`;
    });
    return html`<figure>${pictures.length > 0 ? pictures : html`<span class="no-photo">${id}</span>`}
<figcaption>${asked && html`<small>${asked}</small>`}${said}${logProbability !== undefined && html` <span class="quiet" title="mean log-probability of its tokens">${logProbability.toFixed(2)}</span>`}${reference && html`<small>${reference}</small>`}</figcaption></figure>
`;
  })}</div>`;
}
