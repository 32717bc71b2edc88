import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../common/files.js';
import { packageRoot } from '../common/paths.js';
import { counted } from '../common/words.js';
import { type RecognisedFolder, recogniseFolder } from '../datasets/index.js';
import { hasGpu } from '../doctor/index.js';
import { captionLengths } from './caption_lengths.js';
import { chooseRecipe, type Recipe } from './choose_recipe.js';
import { fillRecipe, type RunPlan } from './fill_recipe.js';
import { divideSplits } from './split_plan.js';
import { trainingNumbers } from './training_numbers.js';

export interface PhotoProjectOptions {
  /** The photos with their captions; they stay where they are. */
  from: string;
  /** Whether there is a GPU; looked for where left out. */
  gpu?: boolean;
  /** Chosen by the number of photos and the machine where left out. */
  recipe?: Recipe;
}

/** A project that was written, in words. */
export interface PhotoProject {
  recipe: Recipe;
  /** What was found, and why the run is as it is. */
  lines: string[];
}

interface Plan extends RunPlan {
  recipe: Recipe;
  /** Why it is this recipe. */
  why: string;
}

/**
 * Writes run.yaml into a folder: a recipe of projects/blip/train over photos as they lie, with numbers that fit them.
 * @throws DataError where the photos have no captions
 */
export async function writePhotoProject(
  folder: string,
  { from, gpu: said, recipe: asked }: PhotoProjectOptions,
): Promise<PhotoProject> {
  const found = await recogniseFolder(from);
  const gpu = said ?? (await hasGpu());
  const chosen = chooseRecipe(found.images.length, gpu);
  const recipe = asked ?? chosen.recipe;
  const splits = divideSplits(found.images);
  const lengths = captionLengths(found.images.flatMap(({ captions }) => captions));
  const plan: Plan = {
    found,
    recipe,
    why:
      recipe === chosen.recipe
        ? chosen.why
        : `asked for; ${chosen.recipe} would be the usual one: ${chosen.why}`,
    splits,
    lengths,
    numbers: trainingNumbers(recipe, { captions: splits.trainCaptions, gpu }),
  };
  const lines = explain(plan, gpu, said);
  const path = join(packageRoot, 'projects', 'blip', 'train', `caption_photos_${recipe}.yaml`);
  const text = fillRecipe(await readFile(path, 'utf8'), plan, { from, reasons: lines });
  await mkdir(folder, { recursive: true });
  await writeFileAtomic(join(folder, 'run.yaml'), text);
  return { recipe, lines };
}

function explain(
  { found, recipe, why, splits, lengths, numbers }: Plan,
  gpu: boolean,
  said?: boolean,
): string[] {
  const captions = found.images.reduce((sum, { captions }) => sum + captions.length, 0);
  const { most, longest, maxLength, maxTextLength } = lengths;
  const { batch, epochs, updates } = numbers;
  return [
    `${counted(found.images.length, 'photo')}, ${counted(captions, 'caption')}, read by ${found.dataset}`,
    ...found.notes,
    ...splits.notes,
    `${recipe}: ${why}`,
    `batches of ${batch} ${gpu ? 'on a GPU' : said === undefined ? 'without a GPU: none was found' : 'without a GPU'}; ${counted(epochs, 'epoch')} are at most ${updates} updates${
      splits.valid.length > 0 ? ', and patience ends them when the loss of val falls no more' : ''
    }`,
    ...languageNotes(found),
    `captions have up to ${most} words (19 in 20) and ${longest} (the longest): max_len ${maxLength}, max_txt_len ${maxTextLength}`,
  ];
}

/** The vocabulary reads letters without their accents, and has few of other scripts. */
function languageNotes({ images }: RecognisedFolder): string[] {
  const captions = images.flatMap((image) => image.captions);
  const other = captions.filter((caption) => /(?![a-z])\p{L}/iu.test(caption)).length;
  if (other <= captions.length / 20) return [];
  return [
    `${other} of ${counted(captions.length, 'caption')} have letters that English lacks: ` +
      'docs/fine-tune-your-photos.md, "Another language", says how they are kept (with frozen or full, not with lora)',
  ];
}
