// Sentences compared with the picture, the best on top.

import { post } from './api.js';
import { make, meter } from './dom.js';
import { neededPicture, worker } from './work.js';

export function matchPanel() {
  const texts = make('textarea', { id: 'texts', rows: 4, placeholder: 'a red car\na blue car' });
  const button = make('button', { type: 'submit', className: 'main' }, 'Match');
  const form = make(
    'form',
    {},
    make('label', { htmlFor: 'texts' }, 'Sentences, one a line'),
    texts,
    make('div', { className: 'row' }, button),
  );
  const list = make('ul', { className: 'matches', 'aria-live': 'polite' });
  const run = worker(button);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    run(async (signal) => {
      const lines = (texts.value.trim() || texts.placeholder).split('\n');
      const text = lines.map((line) => line.trim()).filter(Boolean);
      const { matches } = await post('match', { image: neededPicture(), text }, signal);
      matches.sort((a, b) => b.probability - a.probability);
      list.replaceChildren(
        ...matches.map((match) =>
          make(
            'li',
            {},
            make('p', {}, match.text),
            meter(match.probability, `${match.text} matches`),
            make('span', { className: 'quiet' }, `cosine ${match.similarity.toFixed(3)}`),
          ),
        ),
      );
    });
  });
  return make('div', {}, form, list);
}
