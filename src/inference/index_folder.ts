import { log } from '../common/logging.js';
import { timedProgress } from '../common/progress.js';
import type { Model } from '../models/index.js';
import { type ImageIndex, type IndexOptions, openIndex } from '../search/index.js';
import type { UsedModel } from './use_model.js';

/**
 * The index of a folder's images by a model that was loaded, its progress shown. An image that cannot be read is told and
 * passed over.
 * @returns how many those are, too
 * @throws LavisError
 */
export async function indexFolder(
  { model, processor, textProcessor }: UsedModel<Model>,
  folder: string,
  options: Pick<IndexOptions, 'recursive' | 'update' | 'batchSize'> = {},
): Promise<{ index: ImageIndex; broken: number }> {
  let progress: ((done: number) => void) | undefined;
  let broken = 0;
  const index = await openIndex(model, processor, folder, {
    ...options,
    textProcessor,
    onProgress: (done, total) => {
      progress ??= timedProgress('Indexing', total);
      progress(done);
    },
    onBroken: (path, reason) => {
      broken++;
      log.warn(`${path} is passed over: ${reason}`);
    },
    onWait: (holder) => log.info(`Waiting for ${holder}, which indexes the folder`),
  });
  return { index, broken };
}
