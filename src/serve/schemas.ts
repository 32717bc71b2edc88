import { z } from 'zod';
import type { AnswerOptions, GenerateOptions } from '../models/index.js';
import type { Use } from './protocol.js';

/**
 * What requests may say. The bounds are there for a server's sake: what one request may cost is known before it is
 * read. How long a text may be a model says besides.
 */
const TEXT = z.string().trim().min(1).max(2000);
const whole = (least: number, most: number, description: string) =>
  z.int().min(least).max(most).optional().describe(description);
const number = (least: number, most: number, description: string) =>
  z.number().min(least).max(most).optional().describe(description);

const model = z
  .string()
  .max(500)
  .optional()
  .describe('A model of GET /v1/models; the first that can do it unless given.');
const image = z
  .string()
  .min(1)
  .describe(
    'The bytes of a JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF file in base64; a data: URL may be given as well.',
  );

const searchKeys = {
  num_beams: whole(1, 16, 'Width of the beam search; 1 is greedy.'),
  max_length: whole(1, 200, 'Most tokens.'),
  min_length: whole(0, 200, 'Fewest tokens.'),
};

const caption = z.strictObject({
  image,
  model,
  prompt: z.string().max(500).optional().describe('What the caption begins with, which is not given back.'),
  num_captions: whole(1, 16, 'Captions of the image: the best so many of the beams, or as many samples.'),
  ...searchKeys,
  nucleus: z
    .boolean()
    .optional()
    .describe('Draw words at random (nucleus sampling) instead of searching with beams.'),
  top_p: number(0, 1, 'Share of the probability that sampling draws from.'),
  top_k: whole(1, 100_000, 'Sampling draws from at most so many words.'),
  temperature: number(0.01, 100, 'Sampling temperature: above 1 makes captions more varied.'),
  repetition_penalty: number(0.01, 100, 'Above 1 makes words that are there already less likely.'),
  length_penalty: number(-100, 100, 'Beams: above 1 favours long captions.'),
  no_repeat_ngram_size: whole(0, 200, 'No run of so many tokens comes twice in a caption.'),
  bad_words: z.array(TEXT).max(100).optional().describe('Words and phrases that are not to be written.'),
  seed: whole(
    0,
    2 ** 32 - 1,
    'Sampling: the same seed draws the same captions; the request is carried out alone then.',
  ),
  explain: z.boolean().optional().describe('Tell of each word what it looked at, where the model can.'),
  stream: z
    .boolean()
    .optional()
    .describe('Answer with a line of JSON for each thing that happens (application/x-ndjson).'),
});

const ask = z.strictObject({
  image,
  model,
  question: z.union([TEXT, z.array(TEXT).min(1).max(32)]).describe('A question, or several.'),
  ...searchKeys,
  answers: z
    .array(TEXT)
    .min(1)
    .max(4000)
    .optional()
    .describe('The likeliest of these is chosen, in place of writing an answer.'),
  num_ans_candidates: whole(
    1,
    4000,
    'How many of `answers`, those that begin likeliest, are compared as a whole.',
  ),
});

const match = z.strictObject({
  image,
  model,
  text: z.union([TEXT, z.array(TEXT).min(1).max(64)]).describe('A text, or several.'),
});

const features = z
  .strictObject({ image: image.optional(), text: TEXT.optional(), model })
  .refine(
    ({ image, text }) => image !== undefined || text !== undefined,
    'an image, a text or both are needed',
  );

const search = z
  .strictObject({
    text: TEXT.optional().describe('What images are to show.'),
    image: image.optional().describe('Images like this one, in base64; with a text too, like both.'),
    image_weight: number(0, 1, 'What the image counts beside the text; 0.5 unless given.'),
    top: z.int().min(1).max(500).default(12).describe('Results at most.'),
    rerank: whole(
      1,
      200,
      'Read the text beside so many of the best, and put these in the order of their probabilities.',
    ),
    model,
  })
  .refine(
    ({ image, text }) => image !== undefined || text !== undefined,
    'a text, an image or both are needed',
  )
  .refine(({ rerank, text }) => rerank === undefined || text !== undefined, 'rerank reads a text');

/** By use, what the body of a request may say. */
export const REQUESTS = { caption, ask, match, features, search } as const satisfies Record<Use, z.ZodType>;

export type Requests = { [U in Use]: z.output<(typeof REQUESTS)[U]> };

const list = z.array(z.number());
const named = z.string().describe('The model that did it.');

/** By use, what a response says. */
export const RESPONSES = {
  caption: z.object({
    model: named,
    captions: z
      .array(
        z.object({
          text: z.string(),
          log_probability: z.number().optional().describe("The mean of its tokens' log-probabilities."),
          words: z
            .array(
              z.object({
                text: z.string(),
                probability: z.number().describe('Of all its pieces.'),
                looked_at: z
                  .array(z.array(z.number()))
                  .optional()
                  .describe('With explain: rows of patches, how much was looked at each.'),
              }),
            )
            .optional(),
        }),
      )
      .describe('Best first.'),
  }),
  ask: z.object({ model: named, answers: z.array(z.object({ question: z.string(), answer: z.string() })) }),
  match: z.object({
    model: named,
    matches: z.array(
      z.object({
        text: z.string(),
        probability: z
          .number()
          .describe('That text and image belong together, by reading the text beside the image.'),
        similarity: z.number().describe('The cosine of their features.'),
      }),
    ),
  }),
  features: z.object({
    model: named,
    image: list.optional().describe('The features of the image, a vector of length 1.'),
    text: list.optional().describe('The features of the text, a vector of length 1.'),
    similarity: z.number().optional().describe('Their cosine, where both were given.'),
  }),
  search: z.object({
    model: named,
    images: z.number().describe('How many images were searched.'),
    results: z
      .array(
        z.object({
          path: z.string().describe('Below the folder; GET /v1/photos?path=… shows it.'),
          score: z.number().describe('Cosine of the features.'),
          probability: z.number().optional().describe('With rerank: that text and image belong together.'),
        }),
      )
      .describe('Best first.'),
  }),
} as const satisfies Record<Use, z.ZodType>;

/** What a request says of generation, as the models take it. */
export function generateOptions(body: Requests['caption']): GenerateOptions {
  return withoutGaps({
    useNucleusSampling: body.nucleus,
    numReturnSequences: body.num_captions,
    numBeams: body.num_beams,
    maxLength: body.max_length,
    minLength: body.min_length,
    topP: body.top_p,
    topK: body.top_k,
    temperature: body.temperature,
    repetitionPenalty: body.repetition_penalty,
    lengthPenalty: body.length_penalty,
    noRepeatNgramSize: body.no_repeat_ngram_size,
    badWords: body.bad_words,
    seed: body.seed,
  });
}

export function answerOptions(body: Requests['ask']): AnswerOptions {
  return withoutGaps({
    numBeams: body.num_beams,
    maxLength: body.max_length,
    minLength: body.min_length,
    answerList: body.answers,
    numAnsCandidates: body.num_ans_candidates,
  });
}

const withoutGaps = <T extends object>(record: T): T =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as T;
