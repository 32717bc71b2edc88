import type { z } from 'zod';
import { ConfigError } from '../../common/errors.js';
import { type Conflict, key, types as t } from '../../config/index.js';
import type { MedConfig } from '../med/config.js';

/** How captions are made. Lengths count the prompt's tokens, [DEC] included. */
export interface GenerateOptions {
  /** Draw words at random instead of searching. */
  useNucleusSampling?: boolean;
  /** 1 is greedy search. */
  numBeams?: number;
  maxLength?: number;
  minLength?: number;
  /** Sampling: the smallest set of words whose probabilities reach it. */
  topP?: number;
  /** Sampling: at most so many words. */
  topK?: number;
  /** Sampling: divides the scores. */
  temperature?: number;
  /** Divides the scores of words that the text has already. Left out, sampling takes the reference's 1.1. */
  repetitionPenalty?: number;
  /** Beam search: a caption's score is its log-probability over length ** lengthPenalty. */
  lengthPenalty?: number;
  /** No run of so many tokens comes twice; 0 lets it. */
  noRepeatNgramSize?: number;
  /** Words and phrases that are not to be written. */
  badWords?: readonly string[];
  /** How often each image is captioned. As in the reference, only sampling makes the captions differ. */
  numCaptions?: number;
  /** Captions that differ, as transformers counts them: the best so many of the beams, or as many samples. */
  numReturnSequences?: number;
  /** Sampling: the same seed draws the same captions; the model's generator gives one where left out. */
  seed?: number;
  /** Hears after each word what is written so far, and is waited for; what it throws ends the generation. */
  onStep?: (texts: readonly WrittenText[]) => void | Promise<void>;
}

/** A text that is being written; of a beam search, one of the beams that lead, which may still change. */
export interface WrittenText {
  /** Place of its image among the samples. */
  image: number;
  /** Place of the text among those of its image. */
  caption: number;
  text: string;
}

type Optional = 'seed' | 'onStep';

export type ResolvedOptions = Required<Omit<GenerateOptions, Optional>> & Pick<GenerateOptions, Optional>;

/** What `generate` takes for what is left out. Source: lavis/models/blip_models/blip_caption.py, transformers 4.20. */
export const GENERATION_DEFAULTS = {
  useNucleusSampling: false,
  numBeams: 3,
  maxLength: 30,
  /** At most maxLength, where that is given. */
  minLength: 10,
  topP: 0.9,
  topK: 50,
  temperature: 1,
  repetitionPenalty: 1,
  lengthPenalty: 1,
  noRepeatNgramSize: 0,
  badWords: [] as readonly string[],
  numCaptions: 1,
  numReturnSequences: 1,
};
const DEFAULTS = GENERATION_DEFAULTS;
/** The reference's repetition penalty when sampling. */
const SAMPLING_PENALTY = 1.1;

/**
 * What runs and the command line take where `generate` has something else, so that `lavis caption` and
 * `lavis eval` say the same of an image. Source: lavis/tasks/captioning.py.
 */
const RUN_DEFAULTS = { ...DEFAULTS, numBeams: 5, minLength: 1 };

/** The keys of a `run` section that say how text is generated, for the schemas of tasks. */
export const generationKeys = {
  num_beams: key(t.natural, RUN_DEFAULTS.numBeams, 'Number of beams; 1 is greedy search.'),
  max_len: key(t.natural, RUN_DEFAULTS.maxLength, 'Maximum length of a caption in tokens, prompt included.'),
  min_len: key(t.count, RUN_DEFAULTS.minLength, 'Minimum length of a caption in tokens, prompt included.'),
  repetition_penalty: key(
    t.positive,
    undefined,
    `Above 1 makes repeated words less likely; ${RUN_DEFAULTS.repetitionPenalty} by default, ${SAMPLING_PENALTY} in sampling.`,
  ),
  length_penalty: key(
    t.number,
    RUN_DEFAULTS.lengthPenalty,
    "A beam's log-probability is divided by its length to this power: above 1 favours long captions.",
  ),
  no_repeat_ngram_size: key(
    t.count,
    undefined,
    'N-grams of this size may not repeat in a caption; 0, the default, allows them.',
  ),
  bad_words: key(t.texts, undefined, 'Words and phrases that captions must not contain.'),
  top_p: key(t.fraction, RUN_DEFAULTS.topP, 'Probability mass that nucleus sampling draws from.'),
  top_k: key(
    t.natural,
    undefined,
    `Sampling draws from at most this many tokens; ${RUN_DEFAULTS.topK} by default.`,
  ),
  temperature: key(
    t.positive,
    RUN_DEFAULTS.temperature,
    'Sampling temperature: above 1 makes captions more varied.',
  ),
  use_nucleus_sampling: key(
    t.flag,
    RUN_DEFAULTS.useNucleusSampling,
    'Nucleus sampling instead of beam search.',
  ),
};

/** What of these keys does not go together, for the `conflictsIn` of tasks. */
export function generationConflicts(section: Readonly<Record<string, unknown>>): Conflict[] {
  const { min_len } = section;
  const max_len = section.max_len ?? RUN_DEFAULTS.maxLength;
  if (typeof min_len !== 'number' || typeof max_len !== 'number' || min_len <= max_len) return [];
  return [
    {
      key: 'min_len',
      headline: 'run.min_len is above run.max_len',
      found: `${min_len}, and run.max_len is ${max_len}`,
      allowed: `at most ${max_len}`,
    },
  ];
}

type GenerationKeys = { [K in keyof typeof generationKeys]: z.output<(typeof generationKeys)[K]> };

/** The keys of a section as options; without those that nothing is said of. */
export function generationOptions(keys: GenerationKeys): GenerateOptions {
  const sampling = keys.use_nucleus_sampling;
  return withoutGaps({
    numBeams: keys.num_beams,
    maxLength: keys.max_len,
    minLength: keys.min_len,
    repetitionPenalty: keys.repetition_penalty ?? (sampling ? undefined : RUN_DEFAULTS.repetitionPenalty),
    lengthPenalty: keys.length_penalty,
    noRepeatNgramSize: keys.no_repeat_ngram_size,
    badWords: keys.bad_words,
    topP: keys.top_p,
    topK: keys.top_k,
    temperature: keys.temperature,
    useNucleusSampling: sampling,
  });
}

/** Options without those that are null or undefined, which stand for the default. */
function withoutGaps(options: GenerateOptions): GenerateOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value != null));
}

const atLeast = (least: number, whole: boolean) => ({
  allowed: `${whole ? 'a whole number' : 'a number'}, at least ${least}`,
  accepts: (value: number) => value >= least && (!whole || Number.isInteger(value)),
});
const above0 = { allowed: 'a number above 0', accepts: (value: number) => value > 0 };

type Numeric = Exclude<keyof typeof DEFAULTS, 'useNucleusSampling' | 'badWords'>;

const RANGES: Record<Numeric, typeof above0> = {
  numBeams: atLeast(1, true),
  maxLength: atLeast(1, true),
  minLength: atLeast(0, true),
  topP: { allowed: 'a number from 0 to 1', accepts: (value) => value >= 0 && value <= 1 },
  topK: atLeast(1, true),
  temperature: above0,
  repetitionPenalty: above0,
  lengthPenalty: { allowed: 'a finite number', accepts: Number.isFinite },
  noRepeatNgramSize: atLeast(0, true),
  numCaptions: atLeast(1, true),
  numReturnSequences: atLeast(1, true),
};

/**
 * Options with the defaults filled in, as far as they can be checked without a model.
 * @throws ConfigError for a value out of its range, and for values that do not go together.
 */
export function checkedOptions(options: GenerateOptions): ResolvedOptions {
  const given = withoutGaps(options);
  const resolved: ResolvedOptions = { ...DEFAULTS, ...given };
  for (const [name, { allowed, accepts }] of Object.entries(RANGES)) {
    const value = resolved[name as Numeric];
    if (typeof value !== 'number' || !accepts(value))
      throw outOfRange(name as Numeric, String(value), allowed);
  }
  const { maxLength, numBeams, numReturnSequences, useNucleusSampling } = resolved;
  if (given.minLength == null) resolved.minLength = Math.min(resolved.minLength, maxLength);
  if (resolved.minLength > maxLength) {
    throw outOfRange('minLength', String(resolved.minLength), `at most maxLength, which is ${maxLength}`);
  }
  if (given.repetitionPenalty == null && useNucleusSampling) resolved.repetitionPenalty = SAMPLING_PENALTY;
  if (!useNucleusSampling && numReturnSequences > numBeams) {
    throw outOfRange(
      'numReturnSequences',
      `${numReturnSequences} with ${numBeams === 1 ? 'greedy search' : `${numBeams} beams`}`,
      `at most ${numBeams}, as many as there are beams; any number in sampling`,
      `numBeams of ${numReturnSequences} or more (--num-beams, run.num_beams), or sampling (--nucleus, run.use_nucleus_sampling)`,
    );
  }
  return resolved;
}

/**
 * `checkedOptions`, which also fit a decoder.
 * @param promptLength tokens of the longest prompt
 * @param decoder its longest text, and the number of words it knows
 * @throws ConfigError as `checkedOptions` does.
 */
export function resolveOptions(
  options: GenerateOptions,
  promptLength: number,
  { maxPositions, vocabSize }: Pick<MedConfig, 'maxPositions' | 'vocabSize'>,
): ResolvedOptions {
  const resolved = checkedOptions(options);
  if (resolved.maxLength <= promptLength || resolved.maxLength > maxPositions) {
    throw outOfRange(
      'maxLength',
      `${resolved.maxLength}`,
      `${promptLength + 1} (the prompt has ${promptLength} tokens) to ${maxPositions}`,
    );
  }
  if (2 * resolved.numBeams >= vocabSize) {
    throw outOfRange('numBeams', `${resolved.numBeams}`, `less than half of the ${vocabSize} words`);
  }
  return resolved;
}

/** How a YAML and the command line spell an option. */
const SPELLED: Record<Numeric, string> = {
  numBeams: 'run.num_beams, --num-beams',
  maxLength: 'run.max_len, --max-length',
  minLength: 'run.min_len, --min-length',
  topP: 'run.top_p, --top-p',
  topK: 'run.top_k, --top-k',
  temperature: 'run.temperature, --temperature',
  repetitionPenalty: 'run.repetition_penalty, --repetition-penalty',
  lengthPenalty: 'run.length_penalty, --length-penalty',
  noRepeatNgramSize: 'run.no_repeat_ngram_size, --no-repeat-ngram-size',
  numCaptions: 'of a program',
  numReturnSequences: '--num-captions',
};

function outOfRange(name: Numeric, found: string, allowed: string, help?: string): ConfigError {
  const where = `${name} (${SPELLED[name]})`;
  return new ConfigError(`the generation option ${name} is out of range`, { where, found, allowed, help });
}
