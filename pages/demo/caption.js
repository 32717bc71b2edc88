// Captions, word by word as they are written, with how sure the model was and what each word looked at.

import { stream } from './api.js';
import { make, percent } from './dom.js';
import { clearHeat, drawHeat } from './heat.js';
import { onPicture } from './picture.js';
import { neededPicture, worker } from './work.js';

export function captionPanel() {
  const count = make('input', { type: 'number', id: 'caption-count', min: 1, max: 8, value: 3 });
  const draw = make('input', { type: 'checkbox', id: 'caption-draw' });
  const button = make('button', { type: 'submit', className: 'main' }, 'Caption');
  const list = make('ol', { className: 'captions', 'aria-live': 'polite' });
  const form = make(
    'form',
    {},
    make(
      'div',
      { className: 'row' },
      button,
      make('span', { className: 'field' }, make('label', { htmlFor: 'caption-count' }, 'captions'), count),
      make(
        'span',
        { className: 'field' },
        draw,
        make('label', { htmlFor: 'caption-draw' }, 'draw words at random'),
      ),
    ),
  );
  const run = worker(button);
  const start = () =>
    run(async (signal) => {
      const fields = {
        image: neededPicture(),
        num_captions: count.value,
        explain: 'true',
        ...(draw.checked ? { nucleus: 'true' } : { num_beams: Math.max(3, count.value) }),
      };
      clearHeat();
      list.replaceChildren();
      for await (const event of stream('caption', fields, signal)) {
        if (event.event === 'text') write(list, event);
        if (event.event === 'done') list.replaceChildren(...event.captions.map(captionItem));
      }
    });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    start();
  });
  onPicture(() => {
    if (!form.closest('[hidden]')) start();
  });
  return make('div', {}, form, list);
}

/** What is written of a caption so far: words that are new come in, those that a search changed are replaced. */
function write(list, { caption, text }) {
  while (list.children.length <= caption) list.append(make('li', { className: 'coming' }, make('p')));
  const place = list.children[caption].firstChild;
  const words = text.split(' ');
  const shown = [...place.children];
  const same = words.findIndex((word, i) => shown[i]?.textContent !== `${word} `);
  if (same < 0 && shown.length <= words.length) return;
  const from = same < 0 ? words.length : same;
  for (const old of shown.slice(from)) old.remove();
  place.append(...words.slice(from).map((word) => make('span', { className: 'new' }, `${word} `)));
}

function captionItem({ text, log_probability: sure, words }) {
  const said = words?.length
    ? make('p', {}, ...words.flatMap((word) => [wordPart(word), ' ']))
    : make('p', {}, text);
  if (sure === undefined) return make('li', {}, said);
  const told = make('span', { className: 'quiet' }, `${percent(Math.exp(sure))} a word`);
  told.title = 'How likely the model finds each of its words, on average';
  return make('li', {}, said, told);
}

/** A word: the fainter its line, the less sure the model was; pressed or pointed at, what it looked at. */
function wordPart({ text, probability, looked_at: map }) {
  const style = {
    className: `word sure${Math.min(3, Math.floor(4 * probability))}`,
    title: `${text}: ${percent(probability)}`,
  };
  if (!map) return make('span', style, text);
  const word = make('button', { type: 'button', ...style }, text);
  for (const name of ['pointerenter', 'focus', 'click']) word.addEventListener(name, () => drawHeat(map));
  for (const name of ['pointerleave', 'blur']) word.addEventListener(name, clearHeat);
  return word;
}
