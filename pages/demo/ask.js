// Questions about the picture, the newest answer on top.

import { post } from './api.js';
import { make } from './dom.js';
import { neededPicture, worker } from './work.js';

export function askPanel() {
  const question = make('input', {
    type: 'text',
    id: 'question',
    maxLength: 300,
    placeholder: 'what is in the picture?',
    autocomplete: 'off',
  });
  const button = make('button', { type: 'submit', className: 'main' }, 'Ask');
  const form = make(
    'form',
    {},
    make('label', { htmlFor: 'question' }, 'Question'),
    make('div', { className: 'row' }, question, button),
  );
  const answers = make('dl', { className: 'answers', 'aria-live': 'polite' });
  const run = worker(button);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    run(async (signal) => {
      const asked = question.value.trim() || question.placeholder;
      const found = await post('ask', { image: neededPicture(), question: asked }, signal);
      for (const { question, answer } of found.answers) {
        answers.prepend(make('div', {}, make('dt', {}, question), make('dd', {}, answer)));
      }
      question.select();
    });
  });
  return make('div', {}, form, answers);
}
