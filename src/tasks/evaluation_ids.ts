import { DataError } from '../common/errors.js';
import { counted, some } from '../common/words.js';
import type { SampleSource } from '../datasets/index.js';
import { idKey } from '../metrics/index.js';

/** How the ids of an evaluation split go with what its captions are scored against. */
export interface IdComparison {
  /** Different ids of the split. */
  count: number;
  /** Ids that several images share, and those images: all but the first caption would be dropped. */
  repeated: Map<string, SampleSource[]>;
  /** Images that the ground truth does not know, and those that it knows without a caption. */
  unreferenced: SampleSource[];
  bare: SampleSource[];
  /** Ids of the ground truth that have no image here. */
  unused: string[];
  /** How many images the ground truth has; undefined where there is nothing to score against. */
  references?: number;
}

/** What people said, by `idKey`. */
export type ReferencesById = ReadonlyMap<string, { readonly captions: readonly string[] }>;

/**
 * Compares a split's ids with each other, and with the references where there are some.
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
    throw new DataError(`${counted(repeated.size, 'image id')} of ${name} with several images each`, {
      where: shared[1]
        .map(({ source }) => source)
        .slice(0, 5)
        .join('\n'),
      found: `${shared[0]} is the id of ${some(shared[1].map(({ image }) => image))}`,
      allowed: 'an id an image: references find their image by it, and one caption an id is kept',
      help: "give each image an 'image_id' of its own in the annotation file",
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
          : 'one caption or more an image',
        help: file
          ? 'check that run.annotation_file is of this split; without it the references of the dataset are taken'
          : 'run.report_metric=False writes captions without scoring them',
      },
    );
  }
  if (ids.bare.length > 0) {
    throw new DataError(`${counted(ids.bare.length, 'image')} of ${name} without a reference caption`, {
      where: file ?? placesOf(ids.bare),
      found: `image ids ${some(ids.bare.map(({ image_id }) => image_id!))}`,
      allowed: 'one annotation or more an image',
    });
  }
}

const placesOf = (sources: readonly SampleSource[]) =>
  sources
    .slice(0, 5)
    .map(({ source }) => source)
    .join('\n');
