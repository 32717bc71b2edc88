import { basename } from 'node:path';
import { evaluatedTables } from '../evaluated.js';
import { Marks } from '../marks.js';
import type { RunData } from '../read_run.js';
import { html } from './html.js';
import { judgedTable } from './judged_table.js';

/** Samples of each split at most: a page of more is slow to look through. */
const MOST = 1000;

/** What a run evaluated last, to be looked through and marked: a page of `lavis watch`, which has the pictures. */
export async function evaluatedDocument(run: RunData): Promise<string> {
  const [tables, marks] = await Promise.all([evaluatedTables(run, MOST), Marks.read(run.folder)]);
  const parts = tables.map(({ split, label, score, samples, total }) => {
    const shown = samples.map((sample) => ({
      sample,
      pictures: sample.files.map((file, place) => {
        const photo = `/photo?${new URLSearchParams({ split, id: String(sample.id), place: String(place) })}`;
        return html`<img class="thumb" src="${photo}" alt="${basename(file)}" loading="lazy">`;
      }),
      mark: marks.of(split, sample),
    }));
    const count = total > samples.length ? `the worst ${samples.length} of ${total}` : `${total}`;
    return html`<h2>Samples of ${split}, epoch ${label}<span class="quiet beside">${count}</span></h2>
${judgedTable({ run: run.name, split, score, samples: shown, save: '/marks' })}`;
  });
  const none = html`<p class="quiet">None yet: they come with the first evaluation.</p>`;
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${run.name} · evaluated samples</title><link rel="stylesheet" href="/page.css"></head>
<body><header><div><h1>${run.name}</h1><p class="quiet"><a href="/">the run</a> · marks are kept in marks.jsonl of its folder</p></div></header>
<main>${parts.length > 0 ? parts : none}</main><script src="/judge.js"></script></body></html>
`.text;
}
