/** How much of a model is trained: all of it, its text side, or small matrices beside the text side's weights. */
export const RECIPES = ['full', 'frozen', 'lora'] as const;
export type Recipe = (typeof RECIPES)[number];

/** Photos from which on all of the model has enough to learn from, and those below which little should change. */
const MANY = 2000;
const FEW = 100;

/** The recipe that fits so many photos and such a machine, and why. */
export function chooseRecipe(photos: number, gpu: boolean): { recipe: Recipe; why: string } {
  if (photos < FEW) {
    return {
      recipe: 'lora',
      why: `${photos} photos are soon learnt by heart: small matrices beside the weights (LoRA) change least`,
    };
  }
  if (photos >= MANY && gpu) {
    return {
      recipe: 'full',
      why: `${photos} photos are enough for all of the model, and a GPU has the time`,
    };
  }
  const because = gpu
    ? `${photos} photos change how captions are worded, not what the image encoder knows`
    : 'without a GPU the image encoder is most of the time and memory of a step';
  return { recipe: 'frozen', why: `${because}, so that it stays as it is` };
}
