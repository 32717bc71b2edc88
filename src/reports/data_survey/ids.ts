import type { Config } from '../../config/index.js';
import type { Dataset } from '../../datasets/index.js';
import { setupTask } from '../../tasks/index.js';

/** How the ids of an evaluation split go with what its results are scored against. */
export interface IdSurvey {
  /** Different ids of the split. */
  count: number;
  /** Of samples without a reference, and of references without a sample. */
  unreferenced: string[];
  unused: string[];
  /** Ids that several images share: all but the first result would be dropped. */
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
  const found = await setupTask(config).compareIds(split, dataset);
  if (!found) return undefined;
  const { count, unreferenced, bare, unused, repeated, references } = found;
  if (references === undefined && repeated.size === 0) return undefined;
  return {
    count,
    unreferenced: [...unreferenced, ...bare].map(({ image_id }) => String(image_id)),
    unused,
    repeated: [...repeated.keys()],
  };
}
