// Tries the models of the server: chooses a picture, and what to do with it.

import { get } from './api.js';
import { askPanel } from './ask.js';
import { captionPanel } from './caption.js';
import { at, make } from './dom.js';
import { matchPanel } from './match.js';
import { startFolder, startPicture } from './picture.js';
import { searchPanel } from './search.js';
import { startTabs } from './tabs.js';

const PANELS = { caption: captionPanel, ask: askPanel, match: matchPanel, search: searchPanel };
const STARTED_WITH = {
  caption: '--model blip_caption',
  ask: '--model blip_vqa',
  match: '--model blip_image_text_matching',
  search: '--model blip_image_text_matching --photos FOLDER',
};

/** In place of a panel whose model is not loaded. */
const missing = (use) =>
  make(
    'p',
    { className: 'hint' },
    'No model is loaded for this. Start with ',
    make('code', {}, `lavis demo ${STARTED_WITH[use]}`),
  );

async function start() {
  startPicture();
  const [{ models }, { photos }] = await Promise.all([get('/v1/models'), get('/v1/photos')]);
  at('models').textContent = models.map(({ name }) => name).join(', ');
  const uses = new Set(models.flatMap((model) => model.uses));
  if (photos.length === 0) uses.delete('search');
  startTabs(
    Object.entries(PANELS).map(([use, panel]) => ({
      use,
      title: use[0].toUpperCase() + use.slice(1),
      panel: uses.has(use) ? panel() : missing(use),
      loaded: uses.has(use),
    })),
  );
  await startFolder();
  document.documentElement.dataset.ready = 'yes';
}

start().catch((error) => {
  at('models').textContent = [error.message, ...(error.details ?? [])].join(' · ');
  document.documentElement.dataset.ready = 'failed';
});
