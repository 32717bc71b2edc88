// The picture: dropped, pasted, chosen from the disk or from the folder.

import { get, photoFile, showPhoto } from './api.js';
import { at, make } from './dom.js';
import { clearHeat } from './heat.js';

/** Images of the folder that are shown at a time. */
const SHOWN = 60;

const listeners = [];
let picture;

/** The picture's bytes as a file; undefined before one is chosen. */
export const currentPicture = () => picture;

export const onPicture = (listener) => listeners.push(listener);

export function startPicture() {
  at('file').addEventListener('change', ({ target }) => take(target.files[0]));
  const drop = at('drop');
  for (const name of ['dragenter', 'dragover']) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add('over');
    });
  }
  document.addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) drop.classList.remove('over');
  });
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    drop.classList.remove('over');
    take(event.dataTransfer.files[0]);
  });
  document.addEventListener('paste', ({ clipboardData }) => take(clipboardData.files[0]));
}

function take(file) {
  if (file) show(file, file.name || 'pasted picture', URL.createObjectURL(file));
}

/** Takes an image of the folder. */
export async function takePhoto(path) {
  const file = new File([await photoFile(path)], path.split('/').at(-1));
  const shown = make('img');
  await showPhoto(shown, path, 1280);
  show(file, path, shown.src);
}

function show(file, name, source) {
  picture = file;
  clearHeat();
  const image = at('shown');
  image.alt = `The chosen picture, ${name}`;
  image.onload = () => at('frame').style.setProperty('--ratio', image.naturalWidth / image.naturalHeight);
  image.src = source;
  image.onerror = () => {
    image.alt = `${name}: this browser cannot show it; the model may read it all the same`;
  };
  at('frame').hidden = false;
  at('empty').hidden = true;
  at('name').textContent = name;
  for (const other of document.querySelectorAll('[data-path]')) {
    other.setAttribute('aria-pressed', String(other.dataset.path === name));
  }
  for (const listener of listeners) listener(file);
}

/** Shows the images of the folder, some at a time. */
export async function startFolder() {
  const { photos } = await get('/v1/photos');
  if (photos.length === 0) return;
  at('folder').hidden = false;
  at('folder-count').textContent = `${photos.length} images`;
  const strip = at('strip');
  const more = make('button', { type: 'button', className: 'more' }, 'More');
  const last = make('li', {}, more);
  let shown = 0;
  const grow = () => {
    const some = photos.slice(shown, shown + SHOWN);
    shown += some.length;
    last.before(...some.map((path) => make('li', {}, photoButton(path))));
    last.hidden = shown >= photos.length;
  };
  strip.append(last);
  more.addEventListener('click', grow);
  grow();
}

/** A small image of the folder that becomes the picture when it is pressed. */
export function photoButton(path, size = 160) {
  const image = make('img', { alt: path, loading: 'lazy' });
  showPhoto(image, path, size).catch(() => {});
  const button = make('button', { type: 'button', className: 'photo', title: path }, image);
  button.dataset.path = path;
  button.setAttribute('aria-pressed', 'false');
  button.addEventListener('click', () => takePhoto(path));
  return button;
}
