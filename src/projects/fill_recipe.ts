import { dump } from 'js-yaml';
import type { RecognisedFolder } from '../datasets/index.js';
import type { CaptionLengths } from './caption_lengths.js';
import type { SplitPlan } from './split_plan.js';
import type { TrainingNumbers } from './training_numbers.js';

/** What a run's YAML is made of, beside a recipe. */
export interface RunPlan {
  found: RecognisedFolder;
  splits: SplitPlan;
  lengths: CaptionLengths;
  numbers: TrainingNumbers;
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

/**
 * A recipe's YAML with the dataset that was found and a plan's numbers; the rest of it, comments too, stays as it is.
 * @param from, reasons what its first lines say
 */
export function fillRecipe(
  recipe: string,
  { found, splits, lengths, numbers }: RunPlan,
  { from, reasons }: { from: string; reasons: readonly string[] },
): string {
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
  text = text.replace(/^( {2}model_type: .*\n)/m, `$1  max_txt_len: ${maxTextLength}\n`);
  return `${header(from, reasons)}${text}`;
}

/** @throws RangeError for a key that the recipe lacks */
function withValue(text: string, key: string, value: unknown): string {
  const line = new RegExp(`^( {2}${key}: )[^#\\n]*?( *#.*)?$`, 'm');
  if (!line.test(text)) throw new RangeError(`the recipe has no ${key}`);
  return text.replace(line, (_, start: string, comment = '') => `${start}${value}${comment}`);
}
