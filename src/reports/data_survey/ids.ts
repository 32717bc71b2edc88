import { readFile } from 'node:fs/promises';
import { resolveFile } from '../../common/paths.js';
import type { Config } from '../../config/index.js';
import type { Dataset, GroundTruth } from '../../datasets/index.js';
import { evaluationId } from '../../tasks/index.js';

/** How the ids of an evaluation split go with what its captions are scored against. */
export interface IdSurvey {
  /** Different ids of the split. */
  count: number;
  /** Of images without a reference, and of references without an image. */
  unreferenced: string[];
  unused: string[];
  /** Ids that several samples share: all but the first caption are dropped. */
  repeated: string[];
}

/** Undefined where there is nothing to score against. */
export async function surveyIds(
  dataset: Dataset,
  split: string,
  config: Config,
): Promise<IdSurvey | undefined> {
  const truth = await groundTruthOf(dataset, split, config);
  if (!truth) return undefined;
  const seen = new Map<string, number>();
  for (let i = 0; i < dataset.length; i++) {
    const id = dataset.job?.(i).record.image_id as number | string | undefined;
    if (id === undefined) continue;
    const key = String(evaluationId(id));
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  const referenced = new Set(truth.annotations.map(({ image_id }) => String(evaluationId(image_id))));
  return {
    count: seen.size,
    unreferenced: [...seen.keys()].filter((id) => !referenced.has(id)),
    unused: [...referenced].filter((id) => !seen.has(id)),
    repeated: [...seen].flatMap(([id, times]) => (times > 1 ? [id] : [])),
  };
}

async function groundTruthOf(
  dataset: Dataset,
  split: string,
  { run }: Config,
): Promise<GroundTruth | undefined> {
  const given = run.annotation_file as string | Record<string, string> | undefined;
  const file = typeof given === 'object' ? given?.[split] : given;
  if (file) return JSON.parse(await readFile(resolveFile(file), 'utf8')) as GroundTruth;
  return (dataset as Dataset & { groundTruth?(): GroundTruth | undefined }).groundTruth?.();
}
