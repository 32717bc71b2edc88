import { DataError } from '../../common/errors.js';
import { Rng } from '../../common/random.js';
import { nearest } from '../../common/suggest.js';
import { counted } from '../../common/words.js';
import { type Annotation, placeOf } from '../annotated/annotations.js';
import type { Split } from '../types.js';

/** One entry of a file: the texts that it has for each role of its form. */
export interface OwnRow extends Omit<Annotation, 'values'> {
  texts: Readonly<Record<string, readonly string[]>>;
}

/** An image with all entries about it, where the first stands, and the split where the file says so. */
export interface OwnImage extends Omit<Annotation, 'values'> {
  image: string;
  rows: OwnRow[];
  split?: Split;
  /** Whether it is named without the extension of its file, or by a number in its name. */
  stem: boolean;
}

/** All texts of a role that an image has. */
export const textsOfRole = ({ rows }: OwnImage, role: string): string[] =>
  rows.flatMap(({ texts }) => texts[role] ?? []);

/** The share of images that each split gets; they need not sum to one. */
export type SplitRatios = Readonly<Record<Split, number>>;

/**
 * Shares `images` out: a seeded order of their names is cut by the ratios, so that the order of the file
 * does not matter. A split with a ratio above 0 gets at least one image while there are enough.
 */
function assignSplits(images: readonly string[], ratios: SplitRatios, seed: number): Map<string, Split> {
  const sorted = [...images].sort();
  const order = [...Rng.of(seed, 'splits').permutation(sorted.length)].map((i) => sorted[i]);
  const wanted = Object.entries(ratios).filter(([, ratio]) => ratio > 0);
  const counts = shareOut(
    order.length,
    wanted.map(([, ratio]) => ratio),
  );
  let next = 0;
  const assigned = new Map<string, Split>();
  wanted.forEach(([split], i) => {
    for (let k = 0; k < counts[i]; k++) assigned.set(order[next++], split);
  });
  return assigned;
}

/** Whole shares of `total`, by largest remainder; an empty one takes from the largest. */
function shareOut(total: number, ratios: number[]): number[] {
  const sum = ratios.reduce((a, b) => a + b, 0);
  const exact = ratios.map((ratio) => (total * ratio) / sum);
  const counts = exact.map(Math.floor);
  const byRemainder = exact.map((value, i) => [value - counts[i], i]).sort((a, b) => b[0] - a[0]);
  const left = total - counts.reduce((a, b) => a + b, 0);
  for (const [, i] of byRemainder.slice(0, left)) counts[i]++;
  if (total >= ratios.length) {
    for (let empty = counts.indexOf(0); empty >= 0; empty = counts.indexOf(0)) {
      counts[counts.indexOf(Math.max(...counts))]--;
      counts[empty]++;
    }
  }
  return counts;
}

/**
 * The images of each split: by their own split where they have one, else by ratio and seed.
 * @param used the splits that are used; all when absent
 * @throws DataError for a split that is misspelt
 */
export function divideImages(
  images: readonly OwnImage[],
  ratios: SplitRatios,
  seed: number,
  used?: readonly Split[],
): { parts: Map<Split, OwnImage[]>; notes: string[]; leftOut: string[] } {
  const names = images.map(({ image }) => image);
  const assigned = assignSplits(names, ratios, seed);
  const parts = new Map<Split, OwnImage[]>();
  let drawn = 0;
  for (const image of images) {
    const split = image.split ?? assigned.get(image.image);
    if (split === undefined) continue;
    if (image.split === undefined) drawn++;
    const part = parts.get(split);
    if (part) part.push(image);
    else parts.set(split, [image]);
  }
  const leftOut: string[] = [];
  for (const [split, part] of parts) {
    if (USUAL_SPLITS.includes(split) || used?.includes(split)) continue;
    refuseMisspelt(split, part);
    if (used)
      leftOut.push(
        `${counted(part.length, 'image')} of the split '${split}' (${placeOf(part[0])}) left out: no run uses it`,
      );
  }
  const notes =
    drawn > 0 && drawn < images.length
      ? [
          `${counted(images.length - drawn, 'image')} of ${images.length} name their split; the other ${drawn} are divided by ratio`,
        ]
      : [];
  return { parts, notes, leftOut };
}

/** @throws DataError for a name that is nearly one of the usual ones. */
function refuseMisspelt(split: Split, part: readonly OwnImage[]): void {
  const [near] = nearest(split, Object.keys(SPLIT_NAMES)).filter(
    (name) => Math.abs(name.length - split.length) < 2,
  );
  if (near === undefined || /\d/.test(split)) return;
  throw new DataError(`${counted(part.length, 'image')} of a split that there is not`, {
    where: [
      ...part.slice(0, 3).map(placeOf),
      ...(part.length > 3 ? [`and ${part.length - 3} more`] : []),
    ].join('\n'),
    found: `'${split}'; did you mean '${near}'?`,
    allowed: `${Object.keys(SPLIT_NAMES).join(', ')}, in any case`,
    help: `if '${split}' is meant, name it in run.train_splits, run.valid_splits or run.test_splits`,
  });
}

const USUAL_SPLITS: readonly Split[] = ['train', 'val', 'test'];

/** What files call splits, and what we do. */
export const SPLIT_NAMES: Record<string, Split> = {
  train: 'train',
  training: 'train',
  // Karpathy's: what is left of COCO's val2014 is trained on, as in the reference.
  restval: 'train',
  val: 'val',
  valid: 'val',
  validation: 'val',
  dev: 'val',
  test: 'test',
  testing: 'test',
};

/** The split that the first folder of a path is named as; undefined where it is not. */
export function folderSplit(path: string): Split | undefined {
  const [first, ...rest] = path.split('/');
  return rest.length > 0 ? SPLIT_NAMES[first.toLowerCase()] : undefined;
}

/** A split by our name, whichever of the usual ones a file has for it. */
export const splitName = (split: string): Split => SPLIT_NAMES[split.trim().toLowerCase()] ?? split.trim();
