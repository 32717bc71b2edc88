import type { Split } from '../../types.js';

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

/** A split by our name, whichever of the usual ones a file has for it. */
export const splitName = (split: string): Split => SPLIT_NAMES[split.trim().toLowerCase()] ?? split.trim();
