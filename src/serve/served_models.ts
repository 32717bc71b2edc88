import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { DataError } from '../common/errors.js';
import { log } from '../common/logging.js';
import type { Config } from '../config/index.js';
import { indexFolder, useModel } from '../inference/index.js';
import type { Model } from '../models/index.js';
import { imagesBelow } from '../processors/index.js';
import { type ImageIndex, search } from '../search/index.js';
import { CaptionTask, VqaTask } from '../tasks/index.js';
import { type AtWork, Cancelled, type RunHooks } from './at_work.js';
import { errorBody } from './http_error.js';
import type { Batch, Loaded, Outcome, ServedModel, Use, Uses, WorkerTask } from './protocol.js';
import { ask, features, match } from './run_batch.js';
import { caption } from './run_caption.js';

/** The models of a worker: loads them once, then carries out batches. */
export class ServedModels {
  readonly #models = new Map<string, AtWork>();
  #index?: { model: string; index: ImageIndex };
  /** Images of a folder that no model searches. */
  #shown: string[] = [];

  /** @throws LavisError */
  static async load({ models, device, photos }: WorkerTask): Promise<ServedModels> {
    const served = new ServedModels();
    for (const { name, source } of models) served.#models.set(name, await loadOne(source, device));
    if (photos !== undefined) await served.#openPhotos(photos);
    return served;
  }

  get loaded(): Loaded {
    const models = [...this.#models].map(([name, { uses }]): ServedModel => ({ name, uses }));
    return { models, photos: this.#index?.index.paths ?? this.#shown };
  }

  /** What became of each request; one that cannot be read fails alone. */
  async run(batch: Batch, hooks: RunHooks): Promise<Outcome[]> {
    const model = this.#models.get(batch.model)!;
    try {
      switch (batch.use) {
        case 'caption':
          return await caption(model, batch as Batch<'caption'>, hooks);
        case 'ask':
          return await ask(model, batch as Batch<'ask'>);
        case 'match':
          return await match(model, batch as Batch<'match'>);
        case 'features':
          return await features(model, batch as Batch<'features'>);
        case 'search':
          return await this.#search(batch as Batch<'search'>);
      }
    } catch (thrown) {
      const error = errorBody(thrown);
      if (!(thrown instanceof Cancelled) && error.code === 'internal')
        log.warn(`a batch failed: ${thrown instanceof Error ? thrown.stack : thrown}`);
      return batch.items.map(() => ({ error }));
    }
  }

  /** Indexes the folder with the first model that compares images with texts; without one, it is only shown. */
  async #openPhotos(folder: string): Promise<void> {
    const [name, searcher] = [...this.#models].find(([, { uses }]) => uses.includes('search')) ?? [];
    if (name === undefined || !searcher) {
      log.info(`${folder} is shown, not searched: no model compares images with texts`);
      const info = await stat(folder).catch(() => undefined);
      if (!info?.isDirectory()) throw new DataError('the folder is not there', { where: resolve(folder) });
      const below = resolve(folder).length + 1;
      this.#shown = (await imagesBelow(resolve(folder))).map((path) => path.slice(below));
      return;
    }
    const { index } = await indexFolder(searcher, folder);
    this.#index = { model: name, index };
    for (const [other, atWork] of this.#models) {
      if (other !== name) atWork.uses = atWork.uses.filter((use) => use !== 'search');
    }
  }

  async #search({ items }: Batch<'search'>): Promise<Outcome<'search'>[]> {
    const { index } = this.#index!;
    const outcomes: Outcome<'search'>[] = [];
    for (const { text, image, imageWeight, top, rerank } of items) {
      outcomes.push(
        await settled<'search'>(async () => {
          const found = await search(index, { text, image, imageWeight }, { top, rerank });
          const below = index.folder.length + 1;
          return {
            results: found.map(({ path, ...scores }) => ({ path: path.slice(below), ...scores })),
            images: index.paths.length,
          };
        }),
      );
    }
    return outcomes;
  }
}

async function loadOne(source: Parameters<typeof useModel>[0], device?: string): Promise<AtWork> {
  let config: Config | undefined;
  const used = await useModel<Model>(source, {
    caller: 'lavis serve',
    arch: 'blip_caption',
    device,
    check: (found) => {
      config = found;
    },
    accept: servable,
  });
  const uses = usesOf(used.model);
  const {
    annotationFiles: _,
    questionFiles: __,
    ...answering
  } = uses.includes('ask') && config ? VqaTask.setupTask(config).settings : {};
  return {
    ...used,
    uses,
    captioning: uses.includes('caption') && config ? CaptionTask.setupTask(config).settings : {},
    answering,
  };
}

const METHODS: Readonly<Record<Use, string>> = {
  caption: 'generate',
  ask: 'predictAnswers',
  match: 'matchPairs',
  features: 'imageFeatures',
  search: 'imageFeatures',
};

const usesOf = (model: Model): Use[] =>
  (Object.keys(METHODS) as Use[]).filter(
    (use) => typeof (model as unknown as Record<string, unknown>)[METHODS[use]] === 'function',
  );

/** @throws DataError for a model that nothing can be asked of */
function servable(model: Model): Model {
  if (usesOf(model).length > 0) return model;
  throw new DataError('the model cannot be served', {
    found: model.constructor.name,
    allowed:
      'a model that captions, answers, matches or compares: blip_caption, blip_vqa, blip_image_text_matching',
  });
}

async function settled<U extends Use>(work: () => Promise<Uses[U]['result']>): Promise<Outcome<U>> {
  try {
    return { value: await work() };
  } catch (thrown) {
    return { error: errorBody(thrown) };
  }
}
