import type { CaptionSurvey } from './captions.js';
import type { IdSurvey } from './ids.js';
import type { ImageSurvey } from './images.js';

/** What was found of one split of one dataset. */
export interface SplitSurvey {
  /** 'coco_caption train' */
  name: string;
  split: string;
  samples: number;
  stream?: boolean;
  captions?: CaptionSurvey;
  images?: ImageSurvey;
  ids?: IdSurvey;
  files?: Set<string>;
  /** Images that the train split has too. */
  trainedToo?: string[];
}

/** Faults that have to be mended before training. */
export const faultsOf = ({ captions, images, ids }: SplitSurvey): number =>
  (captions?.empty.length ?? 0) +
  (images?.missing.length ?? 0) +
  (images?.broken.length ?? 0) +
  (ids ? ids.unreferenced.length + ids.repeated.length : 0);

/** @param most tokens of a text that the model takes */
export function describeSplit(survey: SplitSurvey, most: number | undefined): string {
  const { captions, images, ids, trainedToo = [] } = survey;
  const rows: [string, string][] = [];
  if (survey.stream) rows.push(['stream', 'read from front to back']);
  if (captions) rows.push(...captionRows(captions, most));
  if (images) rows.push(...imageRows(images));
  if (ids) rows.push(...idRows(ids));
  if (trainedToo.length > 0) rows.push(['LEAK', `${listed(trainedToo)} of its images are trained on`]);
  const imageEach = survey.split !== 'train' && survey.samples === (images?.count ?? survey.samples);
  const unit = imageEach ? 'images' : 'samples';
  const lines = rows.map(([name, text]) => `  ${name.padEnd(10)} ${text}`);
  return [`${survey.name}: ${count(survey.samples)} ${unit}`, ...lines].join('\n');
}

function captionRows(survey: CaptionSurvey, most?: number) {
  const { count: texts, words, tokens, truncated, longest, empty, garbled, unknown } = survey;
  const rows: [string, string][] = [['words', distribution(words)]];
  if (tokens) {
    const share = ((100 * truncated) / texts).toFixed(2);
    rows.push(['tokens', `${distribution(tokens)}; the model takes ${most}`]);
    rows.push(['truncated', `${count(truncated)} of ${count(texts)} texts (${share}%)`]);
    if (truncated > 0) rows.push(['longest', longest ?? '']);
  }
  if (unknown) {
    const which = unknown.words.length > 0 ? `; the words: ${listed(unknown.words)}` : '';
    rows.push(['[UNK]', `in ${count(unknown.captions)} of ${count(texts)} texts${which}`]);
  }
  if (empty.length > 0) rows.push(['EMPTY', `texts without a word: ${listed(empty)}`]);
  if (garbled.length > 0) rows.push(['GARBLED', `letters lost in a conversion: ${listed(garbled)}`]);
  return rows;
}

function imageRows({ count: images, read, missing, near, broken, smallest, largest }: ImageSurvey) {
  const sizes = smallest ? `, ${smallest} to ${largest}` : '';
  const rows: [string, string][] = [['images', `${count(images)}, ${count(read)} of them decoded${sizes}`]];
  if (missing.length > 0) rows.push(['MISSING', [listed(missing), near].filter(Boolean).join('; ')]);
  if (broken.length > 0) rows.push(['BROKEN', listed(broken.map(({ image, why }) => `${image} (${why})`))]);
  return rows;
}

function idRows({ count: ids, unreferenced, unused, repeated }: IdSurvey) {
  const rows: [string, string][] = [];
  if (unreferenced.length > 0) rows.push(['IDS', `${listed(unreferenced)} are not in the ground truth`]);
  if (repeated.length > 0) rows.push(['IDS', `${listed(repeated)} stand for several images`]);
  if (unused.length > 0) rows.push(['ids', `${listed(unused)} of the ground truth have no image here`]);
  if (rows.length === 0) rows.push(['ids', `all ${count(ids)} are in the ground truth`]);
  return rows;
}

/** '5 to 23, half up to 9, 95% up to 15' */
export function distribution(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1];
  return `${sorted[0]} to ${sorted.at(-1)}, half up to ${at(0.5)}, 95% up to ${at(0.95)}`;
}

/** The number of items, and the first few. */
function listed(items: readonly string[]): string {
  const more = items.length > 3 ? ', …' : '';
  return `${count(items.length)} (${items.slice(0, 3).join(', ')}${more})`;
}

const count = (value: number) => value.toLocaleString('en');
