import { counted } from '../common/words.js';
import type { RecognisedFolder, Split } from '../datasets/index.js';

/** How photos are divided. */
export interface SplitPlan {
  /** `build_info.splits`: of the photos that do not name their split. */
  ratios: Record<string, number>;
  valid: Split[];
  test: Split[];
  /** Captions that are trained on, about. */
  trainCaptions: number;
  notes: string[];
}

/** With fewer photos, one of ten for val is less than one. */
const ENOUGH_TO_DIVIDE = 10;
const RATIOS = { train: 0.8, val: 0.1, test: 0.1 };

/** The splits that photos name themselves, or else eight of ten for training. */
export function divideSplits(images: RecognisedFolder['images']): SplitPlan {
  const named = new Set(images.flatMap(({ split }) => split ?? []));
  const divided = named.size === 0 && images.length >= ENOUGH_TO_DIVIDE;
  // All three: what is left out is taken from the dataset's defaults.
  const ratios = divided ? RATIOS : { train: 1, val: 0, test: 0 };
  const has = (split: Split) => divided || named.has(split);
  const trainedOn = images.filter(({ split }) => split === undefined || split === 'train');
  const share = divided ? RATIOS.train : 1;
  const captions = trainedOn.reduce((sum, image) => sum + image.captions.length, 0);
  return {
    ratios,
    valid: has('val') ? ['val'] : [],
    test: has('test') ? ['test'] : [],
    trainCaptions: Math.round(share * captions),
    notes: notesOn(images, named, divided),
  };
}

function notesOn(images: RecognisedFolder['images'], named: ReadonlySet<Split>, divided: boolean): string[] {
  if (divided) return [];
  const counts = [...named].map(
    (split) => `${split} ${images.filter((image) => image.split === split).length}`,
  );
  const rest = images.filter(({ split }) => split === undefined).length;
  return [
    ...(counts.length > 0 ? [`splits as they are named: ${counts.join(', ')}`] : []),
    ...(named.size > 0 && rest > 0 ? [`${counted(rest, 'photo')} without a split: trained on`] : []),
    ...(named.has('val')
      ? []
      : ['no val: nothing tells when training should stop; a folder val with photos would']),
  ];
}
