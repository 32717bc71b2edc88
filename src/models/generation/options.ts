import { ConfigError } from '../../common/errors.js';
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
  /** Greedy and beam search; sampling always takes 1.1, as the reference does. */
  repetitionPenalty?: number;
  /** Beam search: a caption's score is its log-probability over length ** lengthPenalty. */
  lengthPenalty?: number;
  /** Captions an image. Only sampling makes them differ. */
  numCaptions?: number;
  /** Sampling: the same seed draws the same captions; the model's generator gives one where left out. */
  seed?: number;
}

export type ResolvedOptions = Required<Omit<GenerateOptions, 'seed'>> & Pick<GenerateOptions, 'seed'>;

/** The reference's defaults. Source: lavis/models/blip_models/blip_caption.py, transformers 4.20. */
const DEFAULTS = {
  useNucleusSampling: false,
  numBeams: 3,
  maxLength: 30,
  minLength: 10,
  topP: 0.9,
  topK: 50,
  temperature: 1,
  repetitionPenalty: 1,
  lengthPenalty: 1,
  numCaptions: 1,
};

const atLeast = (least: number, whole: boolean) => ({
  allowed: `${whole ? 'a whole number' : 'a number'}, at least ${least}`,
  accepts: (value: number) => value >= least && (!whole || Number.isInteger(value)),
});
const above0 = { allowed: 'a number above 0', accepts: (value: number) => value > 0 };

const RANGES: Partial<Record<keyof typeof DEFAULTS, typeof above0>> = {
  numBeams: atLeast(1, true),
  maxLength: atLeast(1, true),
  minLength: atLeast(0, true),
  topP: { allowed: 'a number from 0 to 1', accepts: (value) => value >= 0 && value <= 1 },
  topK: atLeast(1, true),
  temperature: above0,
  repetitionPenalty: above0,
  lengthPenalty: { allowed: 'a finite number', accepts: Number.isFinite },
  numCaptions: atLeast(1, true),
};

/**
 * Options with the defaults filled in.
 * @param promptLength tokens of the longest prompt
 * @param decoder its longest text, and the number of words it knows
 * @throws ConfigError for a value out of its range.
 */
export function resolveOptions(
  options: GenerateOptions,
  promptLength: number,
  { maxPositions, vocabSize }: Pick<MedConfig, 'maxPositions' | 'vocabSize'>,
): ResolvedOptions {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value != null));
  const resolved: ResolvedOptions = { ...DEFAULTS, ...given };
  for (const [name, { allowed, accepts }] of Object.entries(RANGES)) {
    const value = resolved[name as keyof typeof RANGES] as number;
    if (typeof value !== 'number' || !accepts(value)) {
      throw new ConfigError(`the generation option ${name} is out of range`, {
        found: String(value),
        allowed,
      });
    }
  }
  if (resolved.maxLength <= promptLength || resolved.maxLength > maxPositions) {
    throw new ConfigError('the generation option maxLength is out of range', {
      found: `${resolved.maxLength}`,
      allowed: `${promptLength + 1} (the prompt has ${promptLength} tokens) to ${maxPositions}`,
    });
  }
  if (2 * resolved.numBeams >= vocabSize) {
    throw new ConfigError('the generation option numBeams is out of range', {
      found: `${resolved.numBeams}`,
      allowed: `less than half of the ${vocabSize} words`,
    });
  }
  return resolved;
}
