import type { Config } from '../../config/index.js';
import type { Dataset } from '../../datasets/index.js';
import { CaptionTask, setupTask } from '../../tasks/index.js';

/** How the ids of an evaluation split go with what its captions are scored against. */
export interface IdSurvey {
  /** Different ids of the split. */
  count: number;
  /** Of images without a reference, and of references without an image. */
  unreferenced: string[];
  unused: string[];
  /** Ids that several images share: all but the first caption would be dropped. */
  repeated: string[];
}

/**
 * Undefined where there is nothing to score against, and nothing wrong.
 * @throws DataError for ground truth that cannot be used
 */
export async function surveyIds(
  dataset: Dataset,
  split: string,
  config: Config,
): Promise<IdSurvey | undefined> {
  const task = setupTask(config);
  if (!(task instanceof CaptionTask)) return undefined;
  const { count, unreferenced, bare, unused, repeated, references } = await task.compareIds(split, dataset);
  if (references === undefined && repeated.size === 0) return undefined;
  return {
    count,
    unreferenced: [...unreferenced, ...bare].map(({ image_id }) => String(image_id)),
    unused,
    repeated: [...repeated.keys()],
  };
}
