import type { InferredOptionTypes } from 'yargs';
import type { AnswerOptions } from '../models/index.js';
import { defineCommand, UsageError } from './command.js';
import { searchOptions } from './generation_options.js';
import { imageOptions, imagePositionals, PASSED_OVER, sourcesOf } from './image_options.js';
import { modelOptions, modelSource } from './model_options.js';
import { formatOption, type ResultForm, ResultOutput } from './result_output.js';

const METHODS = ['rank', 'generate'] as const;

const options = {
  ...modelOptions('blip_vqa', 'vqav2'),
  question: {
    type: 'string',
    array: true,
    nargs: 1,
    demandOption: true,
    describe: 'What is asked about every image; may be repeated',
  },
  answers: {
    type: 'string',
    requiresArg: true,
    describe: 'File with an answer a line, or a JSON list: the likeliest is chosen, in place of writing one',
  },
  'inference-method': {
    choices: METHODS,
    requiresArg: true,
    defaultDescription: 'rank with --answers, else generate',
    describe: 'rank: choose one of --answers; generate: write an answer',
  },
  'num-ans-candidates': {
    type: 'number',
    requiresArg: true,
    defaultDescription: 'run.num_ans_candidates of the YAML, or its default',
    describe: 'rank: how many answers, those that begin likeliest, are compared as a whole',
  },
  ...searchOptions('an answer, one for its start counted'),
  ...imageOptions,
  format: formatOption,
} as const;

interface Answered {
  image: string;
  question: string;
  answer: string;
}

export const ask = defineCommand({
  options,
  positionals: imagePositionals,
  examples: [
    ['lavis ask photo.jpg --question "what is the man holding?"', 'with the published weights'],
    [
      'lavis ask photos --question "how many people are there?" --question "is it raining?" --format csv',
      'a table of two questions about every photo of a folder',
    ],
    [
      'lavis ask photo.jpg --question "what is the weather like?" --answers weather.txt',
      'the likeliest of the answers in a file',
    ],
    ['lavis ask photo.jpg --question "what is this?" --model-type okvqa', 'with the weights for OK-VQA'],
  ],
  epilogue: PASSED_OVER,
  async handler(args) {
    const { question: questions } = args;
    const empty = questions.some((question) => question.trim() === '');
    if (empty) throw new UsageError('--question is empty: --question "what is in the picture?"');
    const answering = await answerOptions(args);
    const { findImages, inBatches, loadAnswerer } = await import('../inference/index.js');
    const { answerQuestions } = await import('../models/index.js');
    const images = await findImages(sourcesOf(args.images, 'lavis ask'), args);
    const { model, processor, textProcessor, settings } = await loadAnswerer(await modelSource(args), {
      caller: 'lavis ask',
      ...{ device: args.device, answering },
    });
    const output = new ResultOutput<Answered>(args.format, formOf(questions.length));
    const job = { size: args['batch-size'], title: 'Asking' };
    const failures = await inBatches(images, job, ({ names, sources, passOver }) =>
      answerQuestions(model, processor, sources, questions, {
        ...settings,
        textProcessor,
        batchSize: sources.length || 1,
        onError: passOver,
        onAnswers: (answers, i) => {
          for (const [k, answer] of answers.entries()) {
            output.print({ image: names[i], question: questions[k], answer });
          }
        },
      }),
    );
    output.end();
    model.dispose();
    return failures > 0 ? 1 : 0;
  },
});

/** @param questions how many: with one, the answer alone is enough for people */
const formOf = (questions: number): ResultForm<Answered> => ({
  columns: ['image', 'question', 'answer'],
  rows: ({ image, question, answer }) => [[image, question, answer]],
  lines: ({ image, question, answer }) => [
    questions === 1 ? `${image}: ${answer}` : `${image}: ${question} ${answer}`,
  ],
});

/**
 * What a command line says of answers, without what it leaves to the YAML.
 * @throws UsageError for what does not go together; DataError for a list that cannot be read
 */
async function answerOptions(args: Partial<InferredOptionTypes<typeof options>>): Promise<AnswerOptions> {
  const { answers, 'inference-method': method = answers === undefined ? 'generate' : 'rank' } = args;
  if (method === 'rank' && answers === undefined) {
    throw new UsageError('--inference-method rank chooses among answers: --answers FILE, one answer a line');
  }
  if (method === 'generate' && answers !== undefined) {
    throw new UsageError(
      '--answers is a list to choose from, and --inference-method generate writes answers',
    );
  }
  const { readAnswerList } = await import('../datasets/index.js');
  return {
    inferenceMethod: method,
    answerList: answers === undefined ? undefined : await readAnswerList(answers),
    numAnsCandidates: args['num-ans-candidates'],
    numBeams: args['num-beams'],
    maxLength: args['max-length'],
    minLength: args['min-length'],
  };
}
