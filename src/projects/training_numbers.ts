import type { Recipe } from './choose_recipe.js';

export interface TrainingNumbers {
  batch: number;
  epochs: number;
  /** Updates of all epochs. */
  updates: number;
  warmup: number;
}

/** Memory sets the batch of a full run; what is per step shrinks with larger ones where it does not. */
const BATCH: Record<Recipe, { gpu: number; cpu: number }> = {
  full: { gpu: 8, cpu: 4 },
  frozen: { gpu: 16, cpu: 8 },
  lora: { gpu: 16, cpu: 8 },
};

const EPOCHS: Record<Recipe, number> = { full: 5, frozen: 8, lora: 10 };
/** Fewer updates hardly change a model; more rounds over the same photos only learn them by heart. */
const FEWEST_UPDATES = 300;
const MOST_EPOCHS = 30;

/** The numbers of a run over so many captions. */
export function trainingNumbers(
  recipe: Recipe,
  { captions, gpu }: { captions: number; gpu: boolean },
): TrainingNumbers {
  const batch = Math.max(1, Math.min(BATCH[recipe][gpu ? 'gpu' : 'cpu'], Math.floor(captions / 8)));
  // The last batch of an epoch is left out where it is not full.
  const steps = Math.max(1, Math.floor(captions / batch));
  const epochs = Math.min(MOST_EPOCHS, Math.max(EPOCHS[recipe], Math.ceil(FEWEST_UPDATES / steps)));
  const updates = steps * epochs;
  return { batch, epochs, updates, warmup: Math.max(1, Math.min(100, Math.round(updates / 10))) };
}
