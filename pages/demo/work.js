// One request of a panel at a time: a new one ends the one before, and what goes wrong is told.

import { at, make } from './dom.js';
import { currentPicture } from './picture.js';

/** @param button shows that something is at work @returns runs a function with a signal that ends it */
export function worker(button) {
  let running;
  return async (work) => {
    running?.abort();
    const own = new AbortController();
    running = own;
    button.setAttribute('aria-busy', 'true');
    tell();
    try {
      await work(own.signal);
    } catch (error) {
      if (!own.signal.aborted) tell(error);
    } finally {
      if (running === own) button.removeAttribute('aria-busy');
    }
  };
}

/** The picture, or a word to the reader that one is needed. */
export function neededPicture() {
  const picture = currentPicture();
  if (!picture) throw new Error('Choose a picture first.');
  return picture;
}

function tell(error) {
  const place = at('status');
  place.replaceChildren();
  if (!error) return;
  place.append(
    make('b', {}, error.message),
    ...(error.details ?? []).map((line) => make('span', { className: 'quiet' }, line)),
  );
}
