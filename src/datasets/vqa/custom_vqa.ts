import { DataError } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import { registry } from '../../common/registry.js';
import { counted } from '../../common/words.js';
import { key, types } from '../../config/index.js';
import { type AnnotatedDataset, type DatasetParts, warnOfWordless } from '../annotated/annotated_dataset.js';
import type { Prepared } from '../annotated/annotation_builder.js';
import { type Annotation, placeOf } from '../annotated/annotations.js';
import { datasetSchema, readBuildInfo } from '../annotated/build_info.js';
import { numericId } from '../annotated/image_id.js';
import type { OwnImage, OwnRow } from '../own/assign_splits.js';
import type { TableForm } from '../own/columns.js';
import { columnKey, OwnTableBuilder, tableKeys } from '../own/own_builder.js';
import type { Split } from '../types.js';
import { readAnswerList } from './builders.js';
import { VqaEvalDataset, type VqaParts, VqaTrainDataset } from './vqa_dataset.js';

/** Images with questions and their answers. */
const QUESTIONS: TableForm = {
  dataset: 'custom_vqa',
  what: 'questions',
  roles: {
    question: { names: ['question', 'questions', 'query', 'prompt'] },
    answer: {
      names: ['answer', 'answers', 'label', 'labels', 'direct_answers', 'multiple_choice_answer'],
      several: true,
      optional: true,
      literal: true,
    },
    weight: { names: ['weight', 'weights'], several: true, optional: true },
    question_id: { names: ['question_id', 'questionid', 'qid'], optional: true },
  },
};

const vqaKeys = {
  ...tableKeys,
  question_key: columnKey('question'),
  answer_key: columnKey('answer, or answers'),
  weight_key: columnKey('weight of an answer'),
  question_id_key: columnKey("question's id"),
  answer_list: key(
    types.text,
    undefined,
    'What is chosen among in evaluation: a JSON list, or a text with an answer a line; those of the training split when absent.',
  ),
};

/** One's own images with questions in a table, in JSON or JSONL: an answer a row, or several in one. */
@registry.registerBuilder('custom_vqa')
export class CustomVqaBuilder extends OwnTableBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/custom/defaults_vqa.yaml' };
  static override readonly configSchema = datasetSchema(vqaKeys);
  readonly name = 'custom_vqa';
  protected readonly form = QUESTIONS;
  protected override readonly trainDataset = VqaTrainDataset;
  protected override readonly evalDataset = VqaEvalDataset;
  #answers: readonly string[] = [];

  protected override async prepare(splits?: readonly Split[]): Promise<Prepared> {
    const { answer_list: given } = readBuildInfo(this.section, this.name, {
      answer_list: vqaKeys.answer_list,
    });
    const chosen = given === undefined ? undefined : await readAnswerList(this.locate(given));
    // The answers to choose among are those of train, whether it is trained on or not.
    const asked = chosen || !splits ? splits : [...new Set([...splits, 'train'])];
    const bySplit = await this.imagesOfSplits(asked);
    const trained = bySplit.get('train')?.flatMap(({ rows }) => rows.flatMap(({ texts }) => texts.answer));
    this.#answers = chosen ?? [...new Set(trained)];
    return this.annotate(bySplit, splits);
  }

  protected override entriesOfImages(split: Split, images: readonly OwnImage[]): Annotation[] {
    const entries = images.flatMap((image) => questionsOf(image));
    if (split === 'train') refuseUnanswered(entries);
    return this.#withIds(split, entries);
  }

  protected override async complete(parts: DatasetParts, split: Split): Promise<VqaParts> {
    if (split === 'train' || this.#answers.length === 0) return parts;
    return { ...parts, answerList: this.#answers };
  }

  protected override checkDataset(dataset: AnnotatedDataset): void {
    warnOfWordless(dataset, 'questions');
  }

  /** Their own ids, or else their numbers, where one lacks an id. */
  #withIds(split: Split, entries: Annotation[]): Annotation[] {
    const ids = entries.map(({ values }) => values.question_id);
    const named = ids.filter((id) => id !== undefined).length;
    if (named < entries.length) {
      if (named > 0)
        log.info(
          `${this.name}: ${entries.length - named} questions of ${split} have no id: all are numbered`,
        );
      return entries.map((entry, i) => ({ ...entry, values: { ...entry.values, question_id: i } }));
    }
    const first = new Map<unknown, Annotation>();
    for (const [i, entry] of entries.entries()) {
      const same = first.get(ids[i]);
      if (!same) first.set(ids[i], entry);
      else {
        throw new DataError('two questions have one id', {
          where: `${placeOf(same)}\n${placeOf(entry)}`,
          found: `${ids[i]}: ${JSON.stringify(same.values.question)}, ${JSON.stringify(entry.values.question)}`,
          allowed: 'an id a question: answers find their question by it',
          help: 'take the ids out, and questions are numbered',
        });
      }
    }
    return entries;
  }
}

/** The questions about an image: rows with one id and one text are answers to one question. */
function questionsOf({ image, rows }: OwnImage): Annotation[] {
  const questions = new Map<string, { row: OwnRow; answers: string[]; weights: number[] }>();
  for (const row of rows) {
    const { question, question_id, answer, weight } = row.texts;
    const name = JSON.stringify([question[0], question_id[0]]);
    const known = questions.get(name) ?? { row, answers: [], weights: [] };
    questions.set(name, known);
    known.answers.push(...answer);
    known.weights.push(...weight.map((one) => weightOf(one, row)));
    if (known.weights.length === 0 || known.weights.length === known.answers.length) continue;
    throw new DataError('a question has another number of weights than answers', {
      where: placeOf(row),
      found: `${counted(known.answers.length, 'answer')}, ${counted(known.weights.length, 'weight')}`,
      allowed: 'a weight for each answer, or none at all',
    });
  }
  return [...questions.values()].map(({ row: { texts, ...place }, answers, weights }) => ({
    ...place,
    values: {
      image,
      question: texts.question[0],
      answer: answers,
      ...(weights.length > 0 && { weights }),
      ...(texts.question_id.length > 0 && { question_id: numericId(texts.question_id[0]) }),
    },
  }));
}

function weightOf(text: string, row: OwnRow): number {
  const weight = Number(text);
  if (text.trim() !== '' && weight >= 0 && Number.isFinite(weight)) return weight;
  throw new DataError("an answer's weight is not a number from 0", { where: placeOf(row), found: text });
}

/** @throws DataError that counts the questions without an answer, and shows a few */
function refuseUnanswered(entries: readonly Annotation[]): void {
  const bare = entries.filter(({ values }) => (values.answer as string[]).length === 0);
  if (bare.length === 0) return;
  throw new DataError(`${counted(bare.length, 'question')} to train on without an answer`, {
    where: bare.slice(0, 5).map(placeOf).join('\n'),
    found: JSON.stringify(bare[0].values.question),
    allowed: 'an answer or more to each question of train; val and test may do without',
  });
}
