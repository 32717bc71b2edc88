import type { Options } from 'yargs';
import type { GenerateOptions } from '../models/index.js';
import { UsageError } from './command.js';

const fromYaml = (key: string) => `run.${key} of the YAML, or its default`;
/** A number that may have decimals: yargs's own numbers are whole ones here. */
const number = (describe: string, defaultDescription: string) =>
  ({ type: 'string', requiresArg: true, describe, defaultDescription }) as const;
const whole = (describe: string, defaultDescription: string) =>
  ({ type: 'number', requiresArg: true, describe, defaultDescription }) as const;

/** The options of every beam search. @param text what is written */
export const searchOptions = (text: string) =>
  ({
    'num-beams': whole('Width of the beam search; 1 is greedy', fromYaml('num_beams')),
    'max-length': whole(`Most tokens of ${text}`, fromYaml('max_len')),
    'min-length': whole(`Fewest tokens of ${text}`, fromYaml('min_len')),
  }) as const satisfies Record<string, Options>;

/** The options that say how captions are generated; what is left out the YAML says, as in an evaluation. */
export const generationOptionTable = {
  'num-captions': {
    type: 'number',
    default: 1,
    requiresArg: true,
    describe: 'Captions for each image: the best so many of the beams, or as many samples of --nucleus',
  },
  nucleus: {
    type: 'boolean',
    defaultDescription: fromYaml('use_nucleus_sampling'),
    describe: 'Draw words at random (nucleus sampling) instead of searching with beams',
  },
  ...searchOptions('a caption, the prompt included'),
  'top-p': number('Share of the probability that --nucleus draws from', fromYaml('top_p')),
  'top-k': whole('--nucleus draws from at most so many words', fromYaml('top_k')),
  temperature: number('Above 1 makes --nucleus more daring', fromYaml('temperature')),
  'repetition-penalty': number(
    'Above 1 makes words that are there already less likely',
    fromYaml('repetition_penalty'),
  ),
  'length-penalty': number('Beams: above 1 favours long captions', fromYaml('length_penalty')),
  'no-repeat-ngram-size': whole(
    'No run of so many tokens comes twice in a caption',
    fromYaml('no_repeat_ngram_size'),
  ),
  'bad-words': {
    type: 'string',
    requiresArg: true,
    defaultDescription: fromYaml('bad_words'),
    describe: 'Words and phrases that are not to be written, with commas between them',
  },
  prompt: {
    type: 'string',
    requiresArg: true,
    defaultDescription: 'model.prompt',
    describe: 'What captions begin with, which is not printed: --prompt "a photo of "',
  },
  seed: { type: 'number', default: 42, requiresArg: true, describe: 'Chooses the words of --nucleus' },
} as const satisfies Record<string, Options>;

type GenerationArguments = Partial<Record<keyof typeof generationOptionTable, unknown>>;

/**
 * What a command line says of generation.
 * @throws UsageError for a text where a number belongs.
 */
export function generationArguments(args: GenerationArguments): GenerateOptions {
  const decimal = (name: keyof typeof generationOptionTable): number | undefined => {
    const text = args[name];
    if (text === undefined) return undefined;
    const value = String(text).trim() === '' ? Number.NaN : Number(text);
    if (Number.isFinite(value)) return value;
    throw new UsageError(`--${name} is a number, not '${text}'`);
  };
  const badWords = args['bad-words'] as string | undefined;
  return {
    useNucleusSampling: args.nucleus as boolean | undefined,
    numReturnSequences: decimal('num-captions'),
    numBeams: decimal('num-beams'),
    maxLength: decimal('max-length'),
    minLength: decimal('min-length'),
    topP: decimal('top-p'),
    topK: decimal('top-k'),
    temperature: decimal('temperature'),
    repetitionPenalty: decimal('repetition-penalty'),
    lengthPenalty: decimal('length-penalty'),
    noRepeatNgramSize: decimal('no-repeat-ngram-size'),
    badWords: badWords
      ?.split(',')
      .map((word) => word.trim())
      .filter(Boolean),
    seed: decimal('seed'),
  };
}
