// The folder's images by words, by the picture, or by both.

import { post } from './api.js';
import { make } from './dom.js';
import { photoButton } from './picture.js';
import { neededPicture, worker } from './work.js';

export function searchPanel() {
  const text = make('input', {
    type: 'search',
    id: 'search-text',
    maxLength: 300,
    autocomplete: 'off',
    placeholder: 'a red car',
  });
  const like = make('input', { type: 'checkbox', id: 'search-like' });
  const button = make('button', { type: 'submit', className: 'main' }, 'Search');
  const form = make(
    'form',
    {},
    make('label', { htmlFor: 'search-text' }, 'What images are to show'),
    make('div', { className: 'row' }, text, button),
    make(
      'span',
      { className: 'field' },
      like,
      make('label', { htmlFor: 'search-like' }, 'like the chosen picture'),
    ),
  );
  const grid = make('ul', { className: 'found', 'aria-live': 'polite' });
  const run = worker(button);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    run(async (signal) => {
      const words = text.value.trim();
      const fields = {
        text: words || (like.checked ? undefined : text.placeholder),
        image: like.checked ? neededPicture() : undefined,
        top: 24,
      };
      const { results } = await post('search', fields, signal);
      grid.replaceChildren(
        ...results.map(({ path, score }) =>
          make('li', {}, photoButton(path, 320), make('span', { className: 'quiet' }, score.toFixed(3))),
        ),
      );
    });
  });
  return make('div', {}, form, grid);
}
