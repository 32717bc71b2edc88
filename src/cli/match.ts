import { sevenDigits } from '../common/json.js';
import { defineCommand, UsageError } from './command.js';
import { imageOptions, imagePositionals, PASSED_OVER, sourcesOf } from './image_options.js';
import { modelOptions, modelSource } from './model_options.js';
import { formatOption, type ResultForm, ResultOutput } from './result_output.js';

interface Match {
  image: string;
  text: string;
  /** That they belong together, 0 to 1. */
  probability: number;
  /** Of their features. */
  similarity: number;
}

const MATCHES: ResultForm<Match> = {
  columns: ['image', 'text', 'probability', 'similarity'],
  rows: ({ image, text, probability, similarity }) => [[image, text, probability, similarity]],
  lines: ({ image, text, probability, similarity }) => [
    `match ${percent(probability)}  cosine ${similarity.toFixed(4).padStart(7)}  ${image}: ${text}`,
  ],
};

const percent = (part: number) => `${(100 * part).toFixed(2)} %`.padStart(8);

export const match = defineCommand({
  options: {
    ...modelOptions('blip_image_text_matching', 'base'),
    text: {
      type: 'string',
      array: true,
      nargs: 1,
      demandOption: true,
      describe: 'What is compared with every image; may be repeated',
    },
    ...imageOptions,
    format: {
      ...formatOption,
      describe: 'jsonl: a line of JSON for each result; json: one list; csv: a table',
    },
  },
  positionals: imagePositionals,
  examples: [
    ['lavis match photo.jpg --text "a red car"', 'how well the text fits the photo'],
    ['lavis match photo.jpg --text "a red car" --text "a blue car"', 'which text fits better'],
    ['lavis match photos --text "a red car" --format csv', 'a table of all photos of a folder, best first'],
  ],
  epilogue: [
    'The best first: for each text, in the order given, the images by their probability; of one image, the texts.',
    `The probability is BLIP's reading of the text beside the image; the cosine compares the features of both. ${PASSED_OVER}`,
  ].join('\n'),
  async handler(args) {
    const { text: texts } = args;
    if (texts.some((text) => text.trim() === '')) throw new UsageError('--text is empty: --text "a red car"');
    const { findImages, inBatches, useModel } = await import('../inference/index.js');
    const { matchImages, matchModel } = await import('../models/index.js');
    const images = await findImages(sourcesOf(args.images, 'lavis match'), args);
    const { model, processor, textProcessor } = await useModel(await modelSource(args), {
      caller: 'lavis match',
      device: args.device,
      arch: 'blip_image_text_matching',
      accept: matchModel,
    });
    const matches: Match[] = [];
    const job = { size: args['batch-size'], title: 'Matching' };
    const failures = await inBatches(images, job, ({ names, sources, passOver }) =>
      matchImages(model, processor, sources, texts, {
        textProcessor,
        batchSize: sources.length || 1,
        onError: passOver,
        onMatches: (found, i) => {
          for (const [k, { probability, similarity }] of found.entries()) {
            matches.push({
              image: names[i],
              text: texts[k],
              probability: sevenDigits(probability),
              similarity: sevenDigits(similarity),
            });
          }
        },
      }),
    );
    model.dispose();
    const output = new ResultOutput(args.format, MATCHES);
    for (const one of bestFirst(matches, images.length === 1 ? [] : texts)) output.print(one);
    output.end();
    return failures > 0 ? 1 : 0;
  },
});

/** By probability, then by cosine; those of each text together. @param texts none where there is one image */
function bestFirst(matches: readonly Match[], texts: readonly string[]): Match[] {
  const place = ({ text }: Match) => texts.indexOf(text);
  return matches.toSorted(
    (a, b) => place(a) - place(b) || b.probability - a.probability || b.similarity - a.similarity,
  );
}
