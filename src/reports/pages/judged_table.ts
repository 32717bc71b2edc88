import type { ShownSample } from '../../tasks/index.js';
import type { Mark } from '../marks.js';
import { type Html, html } from './html.js';

/** A sample that is looked through, beside that of another run where there are two. */
export interface JudgedSample {
  sample: ShownSample;
  /** Drawn; none for a sample without any that can be. */
  pictures: readonly Html[];
  mark?: Pick<Mark, 'mark' | 'correction'>;
  other?: ShownSample;
  /** A drawing of where the model looked. */
  looks?: Html;
}

export interface JudgedTable {
  run: string;
  split: string;
  /** What scores are called; absent where nothing was scored. */
  score?: string;
  samples: readonly JudgedSample[];
  /** Where the page sends marks; kept in the browser unless given. */
  save?: string;
  /** Whether samples stand beside those of another run: A and B. */
  two?: boolean;
}

/** Samples as a table; judge.js lets them be filtered, put in order and marked. It can be read without. */
export function judgedTable({ run, split, score, samples, save, two = false }: JudgedTable): Html {
  const head = two
    ? html`<th class="n">A</th><th>A said</th><th class="n">B</th><th>B said</th><th>references</th>`
    : html`<th class="n">${score}</th><th>what was said, and references</th>`;
  return html`<section class="judge" data-run="${run}" data-split="${split}" data-save="${save}" ${two && html`data-two="yes"`}><div class="tools row"></div>
<div class="wide" tabindex="0" role="region" aria-label="samples"><table class="judged"><thead><tr><th>picture</th>${head}<th>id</th>${!two && html`<th><span class="unseen">marks</span></th>`}</tr></thead>
<tbody>${samples.map((one) => (two ? rowOfTwo(one) : row(one)))}</tbody></table></div></section>`;
}

const NO_PHOTO = html`<span class="quiet">no picture</span>`;
const picturesOf = ({ pictures }: JudgedSample) => (pictures.length > 0 ? pictures : NO_PHOTO);
const referencesOf = ({ references }: ShownSample) =>
  html`<ul class="references">${references.map((reference) => html`<li>${reference}</li>`)}</ul>`;
const askedOf = ({ asked }: ShownSample) => asked && html`<p>${asked}</p>`;

/** How sure the model was, where it says so. */
const sureness = ({ logProbability }: ShownSample) =>
  logProbability !== undefined &&
  html` <small title="mean log-probability of its tokens">${logProbability.toFixed(2)}</small>`;

function row(one: JudgedSample): Html {
  const { sample, mark, looks } = one;
  const { id, files, said, score, asked } = sample;
  return html`<tr data-id="${id}" data-a="${score}" data-file="${files[0]}" data-said="${said}" data-asked="${asked}" data-mark="${mark?.mark}" data-correction="${mark?.correction}"><td>${picturesOf(one)}</td><td class="n">${score?.toFixed(3)}</td><td>${askedOf(sample)}<b>${said}</b>${sureness(sample)}
${referencesOf(sample)}${looks}</td><td class="from">${id}</td></tr>
`;
}

function rowOfTwo(one: JudgedSample): Html {
  const { sample, other } = one;
  const differs = sample.said !== other?.said;
  const said = (text?: string) => (differs ? html`<b>${text}</b>` : html`${text}`);
  return html`<tr data-id="${sample.id}" data-a="${sample.score}" data-b="${other?.score}" data-said="${sample.said}" data-other="${other?.said}"><td>${picturesOf(one)}</td><td class="n">${sample.score?.toFixed(3)}</td><td>${askedOf(sample)}${said(sample.said)}</td><td class="n">${other?.score?.toFixed(3)}</td><td>${said(other?.said)}</td><td>${referencesOf(sample)}</td><td class="from">${sample.id}</td></tr>
`;
}
