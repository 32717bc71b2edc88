import { DataError } from '../../common/errors.js';
import { parseJson } from '../../common/json.js';
import { readText } from '../../common/text_file.js';

export type QuestionId = number | string;

/** The ground truth of the VQA datasets (`v2_mscoco_val2014_annotations.json`), as far as it is scored. */
export interface VqaAnnotations {
  annotations: {
    question_id: QuestionId;
    question_type: string;
    answer_type: string;
    answers: { answer: string }[];
  }[];
}

/** The questions file (`v2_OpenEnded_mscoco_val2014_questions.json`). */
export interface VqaQuestions {
  questions: { question_id: QuestionId }[];
}

/**
 * Ground truth of questions.
 * @param annotations a file, or its value
 * @throws DataError naming the file and the entry that has a wrong or missing value
 */
export async function readVqaAnnotations(annotations: string | object): Promise<VqaAnnotations> {
  const { value, where } = await open(annotations, 'the annotations of questions');
  for (const [i, entry] of listOf(value, 'annotations', where).entries()) {
    const at = `${where}, annotations[${i}]`;
    checkId(entry, at);
    for (const key of ['question_type', 'answer_type']) {
      if (typeof entry[key] !== 'string') throw wrong(`${at}.${key}`, entry[key], 'a string');
    }
    const { answers } = entry;
    const isAnswer = (one: unknown) => isRecord(one) && typeof one.answer === 'string';
    if (!Array.isArray(answers) || answers.length === 0 || !answers.every(isAnswer)) {
      throw wrong(`${at}.answers`, answers, 'a list of { "answer" }, one or more');
    }
  }
  return value as VqaAnnotations;
}

/** @throws DataError as `readVqaAnnotations` */
export async function readVqaQuestions(questions: string | object): Promise<VqaQuestions> {
  const { value, where } = await open(questions, 'the questions');
  for (const [i, entry] of listOf(value, 'questions', where).entries())
    checkId(entry, `${where}, questions[${i}]`);
  return value as VqaQuestions;
}

async function open(source: string | object, what: string): Promise<{ value: unknown; where: string }> {
  if (typeof source !== 'string') return { value: source, where: `${what} given as a value` };
  return { value: parseJson(await readText(source, { what }), what, source), where: source };
}

function listOf(value: unknown, key: string, where: string): Record<string, unknown>[] {
  const list = isRecord(value) ? value[key] : undefined;
  const at = `${where}, ${key}`;
  if (!Array.isArray(list)) throw wrong(at, list, 'a list, as in the files of the VQA datasets');
  const odd = list.findIndex((entry) => !isRecord(entry));
  if (odd >= 0) throw wrong(`${at}[${odd}]`, list[odd], 'an object');
  return list as Record<string, unknown>[];
}

function checkId({ question_id: id }: Record<string, unknown>, at: string): void {
  if (typeof id === 'string' || Number.isFinite(id)) return;
  throw wrong(`${at}.question_id`, id, 'a number or a string');
}

const wrong = (where: string, found: unknown, allowed: string) =>
  new DataError('a file of questions and answers has a wrong or missing value', {
    where,
    found: found === undefined ? 'nothing' : JSON.stringify(found).slice(0, 160),
    allowed,
  });

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
