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
        ...(draw.checked ? { nucleus: 'true' } : { num_beams: Math.max(3, count.value) }),
      };
      clearHeat();
      list.replaceChildren();
      for await (const event of stream('caption', fields, signal)) {
        if (event.event === 'word') write(list, event);
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

/** A word that was just written, behind those of its caption. */
function write(list, { caption, text }) {
  while (list.children.length <= caption) list.append(make('li', { className: 'coming' }));
  list.children[caption].append(make('span', { className: 'new' }, `${text} `));
}

function captionItem({ text, probability, words }) {
  const said = words?.length
    ? make('p', {}, ...words.flatMap((word) => [wordSpan(word), ' ']))
    : make('p', {}, text);
  const sure =
    probability === undefined ? [] : [make('span', { className: 'quiet' }, `${percent(probability)} sure`)];
  return make('li', {}, said, ...sure);
}

/** A word: the fainter its line, the less sure the model was; pressed or pointed at, what it looked at. */
function wordSpan({ text, probability, looked_at: map }) {
  const title = probability === undefined ? text : `${text}: ${percent(probability)}`;
  if (!map) return make('span', { className: `word sure${Math.round(4 * (probability ?? 1))}`, title }, text);
  const word = make(
    'button',
    { type: 'button', className: `word sure${Math.round(4 * (probability ?? 1))}`, title },
    text,
  );
  for (const name of ['pointerenter', 'focus', 'click']) word.addEventListener(name, () => drawHeat(map));
  for (const name of ['pointerleave', 'blur']) word.addEventListener(name, clearHeat);
  return word;
}
