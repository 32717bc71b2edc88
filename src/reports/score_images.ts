import { messageOf } from '../common/errors.js';
import { resolveFile } from '../common/paths.js';
import { type CaptionAnnotations, cocoEvaluate, idKey, readReferences } from '../metrics/index.js';
import type { MetricsLine } from '../runners/index.js';
import { lastEvaluations, type RunData, readImages, readResults } from './read_run.js';

/** An evaluated image with what was said of it. */
export interface ScoredImage {
  id: number | string;
  file?: string;
  caption: string;
  references: string[];
  /** Its own CIDEr; absent where nothing could be scored. */
  cider?: number;
}

/** The images of one evaluation, worst first. */
export interface EvaluatedTable {
  split: string;
  label: number | string;
  images: ScoredImage[];
  /** How many were evaluated. */
  total: number;
  /** Why there are no scores. */
  note?: string;
}

/** The last evaluation of each split, newest first. @param limit images of each at most */
export async function scoredImages(run: RunData, limit: number): Promise<EvaluatedTable[]> {
  const tables = await Promise.all(lastEvaluations(run.lines).map((line) => tableOf(run, line, limit)));
  return tables.filter(({ total }) => total > 0).reverse();
}

async function tableOf(run: RunData, line: MetricsLine, limit: number): Promise<EvaluatedTable> {
  const split = line.split!;
  const results = await readResults(run, line);
  const images = await readImages(run.folder, split);
  const scores = await cidersOf(run, split, results, images);
  const scored = results.map(({ image_id, caption }): ScoredImage => {
    const image = images.get(String(image_id));
    const references = scores.references.get(idKey(image_id)) ?? [];
    return {
      id: image_id,
      file: image?.file,
      caption,
      references,
      cider: scores.ciders.get(idKey(image_id)),
    };
  });
  scored.sort((a, b) => (a.cider ?? 0) - (b.cider ?? 0));
  const shown = scored.slice(0, limit);
  return { split, label: line.label ?? line.epoch, images: shown, total: scored.length, note: scores.note };
}

type Images = Awaited<ReturnType<typeof readImages>>;
type Results = Awaited<ReturnType<typeof readResults>>;

/** CIDEr of each image over the references that the run was scored against. */
async function cidersOf(run: RunData, split: string, results: Results, images: Images) {
  const references = new Map<string, string[]>();
  const ciders = new Map<string, number>();
  if (results.length === 0) return { references, ciders };
  try {
    const truth = groundTruth(run, split, images);
    for (const [id, { captions }] of await readReferences(truth)) {
      if (captions.length > 0) references.set(id, captions);
    }
    if (references.size === 0)
      return { references, ciders, note: 'There are no references to score against.' };
    const { evalImgs } = await cocoEvaluate(results, truth, { scorers: [] });
    for (const { image_id, CIDEr } of evalImgs) ciders.set(idKey(image_id), Number(CIDEr));
    return { references, ciders };
  } catch (thrown) {
    return { references, ciders, note: `Not scored: ${messageOf(thrown).split('\n')[0]}` };
  }
}

/** The dataset's references, or those of `run.annotation_file`. */
function groundTruth(run: RunData, split: string, images: Images): string | CaptionAnnotations {
  const named = (key: string) => run.config.find((setting) => setting.key === key)?.value;
  const file = named(`run.annotation_file.${split}`) ?? named('run.annotation_file');
  if (typeof file === 'string') return resolveFile(file);
  const entries = [...images.values()];
  return {
    images: entries.map(({ image_id }) => ({ id: image_id })),
    annotations: entries.flatMap(({ image_id, references }) =>
      references.map((caption) => ({ image_id, caption })),
    ),
  };
}
