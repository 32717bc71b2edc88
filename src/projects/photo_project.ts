import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dump } from 'js-yaml';
import { writeFileAtomic } from '../common/files.js';
import { packageRoot } from '../common/paths.js';
import { counted } from '../common/words.js';
import { type RecognisedFolder, recogniseFolder } from '../datasets/index.js';
import { hasGpu } from '../doctor/index.js';
import { type CaptionLengths, captionLengths } from './caption_lengths.js';
import { chooseRecipe, type Recipe } from './choose_recipe.js';
import { divideSplits, type SplitPlan } from './split_plan.js';
import { type TrainingNumbers, trainingNumbers } from './training_numbers.js';

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

/** Everything that a run's YAML is made of. */
interface Plan {
  found: RecognisedFolder;
  recipe: Recipe;
  why: string;
  splits: SplitPlan;
  lengths: CaptionLengths;
  numbers: TrainingNumbers;
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
  const text = fill(await readFile(path, 'utf8'), plan);
  await mkdir(folder, { recursive: true });
  await writeFileAtomic(join(folder, 'run.yaml'), `${header(from, lines)}${text}`);
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

const header = (
  from: string,
  lines: readonly string[],
) => `# Fine-tunes BLIP base on the photos of ${oneLine(from)}, which stay where they are.
#
#   lavis data --cfg-path run.yaml              what photos and captions are like, and which are broken
#   lavis train --cfg-path run.yaml --dry-run   the memory, time and disk that it will take
#   lavis train --cfg-path run.yaml
#   lavis caption photo.jpg --cfg-path run.yaml
#
# Why these numbers, as lavis init found them:
${lines.map((line) => `#   ${oneLine(line)}\n`).join('')}# Every key: docs/configuration.md of lavis; lavis config --cfg-path run.yaml --origin prints them all.
`;

/** Names of files may have line ends in them; a comment must not. */
const oneLine = (text: string) => text.replaceAll(/\s+/g, ' ');

/** So many photos, encoded, fit into the room that run.cache_limit_gb has unless told otherwise. */
const REMEMBERED = 20_000;

/** A recipe with the dataset that was found, and the plan's numbers. */
function fill(recipe: string, { found, splits, lengths, numbers }: Plan): string {
  const { maxWords, maxLength, maxTextLength } = lengths;
  const section = {
    ...(maxWords > 50 && { text_processor: { train: { max_words: maxWords } } }),
    build_info: { ...found.buildInfo, splits: splits.ratios },
  };
  const datasets = dump({ datasets: { [found.dataset]: section } }, { lineWidth: -1, flowLevel: 5 });
  let text = recipe
    .slice(recipe.indexOf('\nmodel:') + 1)
    .replace(/^datasets:\n(?:(?: .*)?\n)*/m, () => `${datasets}\n`);
  const values: Record<string, unknown> = {
    ...{ batch_size_train: numbers.batch, max_epoch: numbers.epochs, warmup_steps: numbers.warmup },
    ...{ max_len: maxLength, valid_splits: `[${splits.valid}]`, test_splits: `[${splits.test}]` },
  };
  for (const [key, value] of Object.entries(values)) text = withValue(text, key, value);
  if (found.images.length > REMEMBERED) text = text.replace(/^( {2}cache_image_embeds: )True/m, '$1False');
  if (splits.valid.length === 0) text = text.replace(/^ {2}(monitor|patience):.*\n/gm, '');
  return text.replace(/^( {2}model_type: .*\n)/m, `$1  max_txt_len: ${maxTextLength}\n`);
}

/** @throws RangeError for a key that the recipe lacks */
function withValue(text: string, key: string, value: unknown): string {
  const line = new RegExp(`^( {2}${key}: )[^#\\n]*?( *#.*)?$`, 'm');
  if (!line.test(text)) throw new RangeError(`the recipe has no ${key}`);
  return text.replace(line, (_, start: string, comment = '') => `${start}${value}${comment}`);
}
