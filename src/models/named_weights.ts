import type { PlainObject } from '../config/index.js';
import { type DownloadItem, weightsCachePath } from '../fetch/index.js';
import { DEFAULT_TOKENIZER, vocabularyItem } from './tokenizer/vocabulary.js';

/** The weights that a `model` section has for a start. */
export interface NamedWeights {
  key: 'finetuned' | 'pretrained';
  /** A path or a URL; undefined where the section wants them and does not say which. */
  place?: string;
}

/** The keys of a `model` section that decide it. */
type Section = Pick<
  PlainObject,
  'load_finetuned' | 'load_pretrained' | 'finetuned' | 'pretrained' | 'tokenizer'
>;

/**
 * load_finetuned's file, else load_pretrained's, which counts as true where a file is named; undefined where the
 * model starts from none.
 */
export function namedWeights(section: Partial<Section>): NamedWeights | undefined {
  const { load_finetuned, load_pretrained, finetuned, pretrained } = section;
  if (load_finetuned) return named('finetuned', finetuned);
  return (load_pretrained ?? pretrained) ? named('pretrained', pretrained) : undefined;
}

const named = (key: NamedWeights['key'], place: unknown): NamedWeights => ({
  key,
  place: typeof place === 'string' && place !== '' ? place : undefined,
});

/**
 * What a `model` section says of weights where a checkpoint comes on top: it holds them all, and none are loaded
 * before it; unless it holds the adapters of `model.lora`, beside the base that the section names.
 */
export const beneathCheckpoint = (model: PlainObject): PlainObject =>
  model.lora ? {} : { load_finetuned: false, load_pretrained: false };

/**
 * What a model of this section fetches: weights and vocabulary.
 * @param name whose they are, for messages
 * @param every both files that it names, not only the one it loads
 */
export function modelDownloads(section: PlainObject, name: string, { every = false } = {}): DownloadItem[] {
  const wanted = every
    ? [named('finetuned', section.finetuned), named('pretrained', section.pretrained)]
    : [namedWeights(section) ?? []].flat();
  const weights = wanted
    .filter(
      ({ place }, i) =>
        place && /^https?:/.test(place) && wanted.findIndex((other) => other.place === place) === i,
    )
    .map(({ key, place: url = '' }) => ({
      what: `the ${key} weights of ${name}`,
      url,
      path: weightsCachePath(url),
      option: `--options model.${key}=FILE`,
    }));
  const tokenizer = section.tokenizer ?? DEFAULT_TOKENIZER;
  return tokenizer === DEFAULT_TOKENIZER ? [...weights, vocabularyItem()] : weights;
}
