import { DataError } from '../../common/errors.js';
import { parseJson } from '../../common/json.js';
import { readTextSync } from '../../common/text_file.js';
import {
  AnnotatedDataset,
  type DatasetClass,
  type DatasetParts,
  textOf,
  textsOf,
} from '../annotated/annotated_dataset.js';
import { type Annotation, placeOf, requireKey } from '../annotated/annotations.js';
import type { AnnotatedRecord } from '../annotated/image_reader.js';
import { collate } from '../loading/collate.js';
import type { Batch, Sample, VqaDataset } from '../types.js';

/**
 * Questions with the answers that people gave: `image`, `text_input`, `answers`, each once and in the order of its
 * first mention, and `weights`, the share of people who gave it. Source: lavis/datasets/datasets/coco_vqa_datasets.py.
 */
export class VqaTrainDataset extends AnnotatedDataset {
  protected toRecord(annotation: Annotation): AnnotatedRecord {
    const given = this.answersOf(annotation);
    if (given.length === 0) {
      throw new DataError('a question has no answer to learn', {
        where: placeOf(annotation),
        found: JSON.stringify(annotation.values).slice(0, 160),
      });
    }
    const weightOf = weightsOf(annotation, given.length);
    const weights = new Map<string, number>();
    for (const [i, answer] of given.entries()) weights.set(answer, (weights.get(answer) ?? 0) + weightOf(i));
    return {
      image: textOf(annotation, 'image'),
      text_input: textOf(annotation, 'question'),
      answers: [...weights.keys()],
      weights: [...weights.values()],
      source: placeOf(annotation),
    };
  }

  /** All answers that were given, repeated ones as often as they were given. */
  protected answersOf(annotation: Annotation): string[] {
    return textsOf(annotation, 'answer');
  }

  /** The answers of all questions one after the other, the `weight` of each, and how many each question has. */
  override collate(samples: Sample[]): Batch {
    const { answers, weights, ...batch } = collate(samples);
    const lists = answers as string[][];
    return {
      ...batch,
      answers: lists.flat(),
      weight: Float32Array.from((weights as number[][]).flat()),
      n_answers: Int32Array.from(lists, ({ length }) => length),
    };
  }
}

/** The weights that an annotation gives, or the same for each answer. */
function weightsOf(annotation: Annotation, count: number): (place: number) => number {
  const { weights } = annotation.values;
  if (weights === undefined) return () => 1 / count;
  const usable =
    Array.isArray(weights) &&
    weights.length === count &&
    weights.every((weight) => typeof weight === 'number' && weight >= 0);
  if (usable) return (place) => weights[place];
  throw new DataError("an annotation's 'weights' do not fit its answers", {
    where: placeOf(annotation),
    found: JSON.stringify(weights).slice(0, 160),
    allowed: `${count} numbers from 0, one for each answer`,
  });
}

export interface VqaParts extends DatasetParts {
  answerList?: readonly string[];
  questionsFile?: string;
  annotationsFile?: string;
}

/** The ground truth of the official scorer, as far as it is known. */
export type VqaTruth = {
  annotations: {
    question_id: number | string;
    question_type: string;
    answer_type: string;
    answers: { answer: string }[];
  }[];
  questions?: { question_id: number | string; question: string }[];
};

/**
 * Questions to be answered: `image`, `text_input`, `question_id`, `instance_id`.
 * Source: lavis/datasets/datasets/coco_vqa_datasets.py.
 */
export class VqaEvalDataset extends AnnotatedDataset implements VqaDataset {
  readonly answerList?: readonly string[];
  readonly questionsFile?: string;
  readonly annotationsFile?: string;
  protected readonly trainedAs: DatasetClass<VqaTrainDataset> = VqaTrainDataset;

  constructor(parts: VqaParts) {
    super(parts);
    this.answerList = parts.answerList;
    this.questionsFile = parts.questionsFile;
    this.annotationsFile = parts.annotationsFile;
  }

  protected toRecord(annotation: Annotation, position: number): AnnotatedRecord {
    return {
      image: textOf(annotation, 'image'),
      text_input: textOf(annotation, 'question'),
      question_id: requireKey(annotation, 'question_id', 'string', 'number'),
      instance_id: String(position),
      source: placeOf(annotation),
    };
  }

  /** The answers that the annotations themselves have; none where they are kept from us. */
  protected answersOf(annotation: Annotation): string[] {
    return textsOf(annotation, 'answer');
  }

  /** The questions that have answers. */
  trainingForm(): VqaTrainDataset {
    const answered = this.parts.annotations.filter((annotation) => this.answersOf(annotation).length > 0);
    return this.asTrained(this.trainedAs, answered);
  }

  /**
   * What the official files say, or else the answers of the annotations themselves, where every question has some.
   * @throws DataError for a file that cannot be used
   */
  groundTruth(): VqaTruth | undefined {
    if (this.annotationsFile) {
      return {
        annotations: listIn(this.annotationsFile, 'annotations'),
        ...(this.questionsFile && { questions: listIn(this.questionsFile, 'questions') }),
      };
    }
    const annotations: VqaTruth['annotations'] = [];
    for (const annotation of this.parts.annotations) {
      const answers = this.answersOf(annotation);
      if (answers.length === 0) return undefined;
      const { question_type, answer_type } = annotation.values;
      annotations.push({
        question_id: requireKey(annotation, 'question_id', 'string', 'number'),
        question_type: typeof question_type === 'string' ? question_type : 'any',
        answer_type: typeof answer_type === 'string' ? answer_type : typeOf(answers[0]),
        answers: asManyPeople(answers).map((answer) => ({ answer })),
      });
    }
    return { annotations };
  }
}

/** An answer counts fully when 3 of 10 people gave it: fewer answers are taken as ten in the same shares. */
function asManyPeople(answers: readonly string[]): string[] {
  const times = Math.ceil(10 / answers.length);
  return answers.flatMap((answer) => Array<string>(times).fill(answer));
}

/** The three types of the official scorer. */
function typeOf(answer: string): 'yes/no' | 'number' | 'other' {
  if (/^(yes|no)$/i.test(answer.trim())) return 'yes/no';
  return /^\d+([.,]\d+)*$/.test(answer.trim()) ? 'number' : 'other';
}

/** A list of an official file, which is an object with several. */
function listIn<T>(file: string, name: string): T[] {
  const what = `the ${name} file of the scorer`;
  const root = parseJson(readTextSync(file, { what }), what, file);
  const list = typeof root === 'object' && root !== null && (root as Record<string, unknown>)[name];
  if (Array.isArray(list)) return list as T[];
  throw new DataError(`${what} has no list of ${name}`, {
    where: file,
    found: Array.isArray(root)
      ? 'a list'
      : `keys ${Object.keys(root ?? {})
          .join(', ')
          .slice(0, 160)}`,
    allowed: `{"${name}": [{"question_id": …, …}, …], …}`,
    help: 'the files are, in this order: questions, answer list, questions and annotations of the official scorer',
  });
}
