import type { MetricsLine } from '../../runners/index.js';
import { lastEvaluations, type RunData, readImages, readResults } from '../read_run.js';
import { curves, tiles } from './curves.js';
import { type Html, html } from './html.js';

/** Captions that the page shows. */
const SHOWN = 12;

/** The parts of the live page by their element's id: live.js replaces those that changed. */
export async function watchSections(run: RunData): Promise<Record<string, string>> {
  const { lines, record } = run;
  const sections = {
    status: status(lines, record?.rounds),
    tiles: tiles(lines, record?.rounds),
    curves: curves(lines),
    captions: await captions(run),
  };
  return Object.fromEntries(Object.entries(sections).map(([id, part]) => [id, part.text]));
}

/** The page before its first sections arrive; styles and scripts are files of their own. */
export const watchDocument = ({ name, folder }: RunData): string =>
  html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${name} · lavis watch</title><link rel="stylesheet" href="/page.css"></head>
<body><header><div><h1>${name}</h1><p class="quiet">${folder}</p></div><div id="status"></div></header>
<main><section id="tiles"></section><section id="curves"></section><section id="captions"></section></main>
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

/** The newest evaluation's captions beside their photos. */
async function captions(run: RunData): Promise<Html> {
  const line = lastEvaluations(run.lines).at(-1);
  if (!line)
    return html`<h2>Newest captions</h2><p class="quiet">None yet: they come with the first evaluation.</p>`;
  const split = line.split!;
  const results = (await readResults(run, line)).slice(0, SHOWN);
  const images = await readImages(run.folder, split);
  return html`<h2>Newest captions <span class="quiet beside">${split}, epoch ${line.label}</span></h2>
<div class="captions">${results.map(({ image_id, caption }) => {
    const image = images.get(String(image_id));
    const photo = `/photo?${new URLSearchParams({ split, id: String(image_id) })}`;
    return html`<figure>${image?.file ? html`<img src="${photo}" alt="${image.file}" loading="lazy">` : html`<span class="no-photo">${image_id}</span>`}
<figcaption>${caption}${image?.references?.[0] && html`<small>${image.references[0]}</small>`}</figcaption></figure>
`;
  })}</div>`;
}
