import { DataError } from '../common/errors.js';
import { counted, some } from '../common/words.js';
import type { SampleSource } from '../datasets/index.js';
import { idKey } from '../metrics/index.js';

/** The ids of an evaluation split compared with those of its ground truth. */
export interface IdComparison {
  /** The number of distinct ids in the split. */
  count: number;
  /** Ids shared by several images, with those images: all captions but the first would be dropped. */
  repeated: Map<string, SampleSource[]>;
  /** Images missing from the ground truth, and those that it lists without a caption. */
  unreferenced: SampleSource[];
  bare: SampleSource[];
  /** Ground-truth ids without an image here. */
  unused: string[];
  /** How many images the ground truth has; undefined where there is nothing to score against. */
  references?: number;
}

/** The reference captions, by `idKey`. */
export type ReferencesById = ReadonlyMap<string, { readonly captions: readonly string[] }>;

/**
 * Compares a split's ids with each other and, if there are any, with the references.
 * @param samples with the ids of their results
 */
export function compareIds(samples: Iterable<SampleSource>, references?: ReferencesById): IdComparison {
  const byId = new Map<string, SampleSource[]>();
  for (const source of samples) {
    if (source.image_id === undefined) continue;
    const key = idKey(source.image_id);
    const same = byId.get(key);
    if (same) same.push(source);
    else byId.set(key, [source]);
  }
  const severalImages = ([, sources]: [string, SampleSource[]]) =>
    new Set(sources.map(({ file, image }) => file ?? image)).size > 1;
  const found: IdComparison = {
    count: byId.size,
    repeated: new Map([...byId].filter(severalImages)),
    unreferenced: [],
    bare: [],
    unused: [],
    references: references?.size,
  };
  if (!references) return found;
  for (const [id, [source]] of byId) {
    const known = references.get(id);
    if (!known) found.unreferenced.push(source);
    else if (known.captions.length === 0) found.bare.push(source);
  }
  found.unused = [...references.keys()].filter((id) => !byId.has(id));
  return found;
}

/**
 * @param file the ground truth, where it is not the dataset's own
 * @throws DataError for ids with which scoring would fail, or score an image with another's captions
 */
export function refuseIds(name: string, { repeated, ...ids }: IdComparison, file?: string): void {
  const [shared] = repeated;
  if (shared) {
    throw new DataError(`${counted(repeated.size, 'image id')} of ${name} shared by several images`, {
      where: shared[1]
        .map(({ source }) => source)
        .slice(0, 5)
        .join('\n'),
      found: `${shared[0]} is the id of ${some(shared[1].map(({ image }) => image))}`,
      allowed: 'one id per image: references are matched by it, and only one caption per id is kept',
      help: "give each image its own 'image_id' in the annotation file",
    });
  }
  if (ids.unreferenced.length > 0) {
    const own = ids.unreferenced.map(({ image_id }) => image_id!);
    throw new DataError(
      file
        ? `${ids.unreferenced.length} of the ${counted(ids.count, 'image')} of ${name} are not in the ground truth`
        : `${counted(ids.unreferenced.length, 'image')} of ${name} without a reference caption`,
      {
        where: file ?? placesOf(ids.unreferenced),
        found: `image ids ${some(own)}`,
        allowed: file
          ? `ids of the ground truth: ${some(ids.unused) || '(none)'}`
          : 'at least one caption for each image',
        help: file
          ? 'check that run.annotation_file belongs to this split; without it the references of the dataset are used'
          : 'run.report_metric=False writes captions without scoring them',
      },
    );
  }
  if (ids.bare.length > 0) {
    throw new DataError(`${counted(ids.bare.length, 'image')} of ${name} without a reference caption`, {
      where: file ?? placesOf(ids.bare),
      found: `image ids ${some(ids.bare.map(({ image_id }) => image_id!))}`,
      allowed: 'at least one annotation for each image',
    });
  }
}

const placesOf = (sources: readonly SampleSource[]) =>
  sources
    .slice(0, 5)
    .map(({ source }) => source)
    .join('\n');
