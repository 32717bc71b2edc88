import { DataError } from '../../common/errors.js';
import { some } from '../../common/words.js';
import type { QuestionId, VqaAnnotations, VqaQuestions } from './files.js';
import { normalizeAnswer, normalizePunctuation } from './normalize.js';

/** One predicted answer. */
export interface VqaResult {
  question_id: QuestionId;
  answer: string;
}

/** Accuracies in percent, with two decimals. */
export interface VqaScores {
  overall: number;
  perQuestionType: Record<string, number>;
  perAnswerType: Record<string, number>;
  perQuestion: Map<QuestionId, number>;
}

/**
 * Scores answers as the official VQA evaluation does: an answer that at least three of the other people gave
 * is right. Source: lavis/common/vqa_tools/vqa_eval.py.
 * @param questions tells which questions are asked; every annotated one where it is left out
 * @throws DataError where results and ground truth are not of the same questions.
 */
export function vqaEvaluate(
  results: readonly VqaResult[],
  { annotations }: VqaAnnotations,
  questions?: VqaQuestions,
): VqaScores {
  // 7 and '7' are one question: files of different makers write them differently.
  const answers = new Map(results.map(({ question_id, answer }) => [String(question_id), answer]));
  const asked = questions && new Set(questions.questions.map(({ question_id }) => String(question_id)));
  const scored = annotations.filter(({ question_id }) => !asked || asked.has(String(question_id)));
  checkQuestions(answers.keys(), { annotations: scored });
  const perQuestion = new Map<QuestionId, number>();
  const byQuestionType = new Means();
  const byAnswerType = new Means();
  const all = new Means();
  for (const { question_id, question_type, answer_type, answers: human } of scored) {
    const accuracy = accuracyOf(
      answers.get(String(question_id))!,
      human.map(({ answer }) => answer),
    );
    perQuestion.set(question_id, twoDecimals(100 * accuracy));
    byQuestionType.add(question_type, accuracy);
    byAnswerType.add(answer_type, accuracy);
    all.add('', accuracy);
  }
  return {
    overall: all.percent()[''] ?? 0,
    perQuestionType: byQuestionType.percent(),
    perAnswerType: byAnswerType.percent(),
    perQuestion,
  };
}

/** The mean over the human answers, each left out in turn, of what the others say for the prediction. */
function accuracyOf(predicted: string, human: readonly string[]): number {
  const answer = normalizeAnswer(predicted);
  // Where everybody says the same, the scorer leaves it as it is written.
  const given = new Set(human).size > 1 ? human.map(normalizePunctuation) : human;
  const matches = given.filter((one) => one === answer).length;
  const others = given.map((one) => Math.min(1, (matches - (one === answer ? 1 : 0)) / 3));
  return others.reduce((sum, value) => sum + value, 0) / others.length;
}

class Means {
  readonly #values = new Map<string, number[]>();

  add(name: string, value: number): void {
    const values = this.#values.get(name);
    if (values) values.push(value);
    else this.#values.set(name, [value]);
  }

  percent(): Record<string, number> {
    const percent = (values: number[]) =>
      twoDecimals((100 * values.reduce((sum, value) => sum + value, 0)) / values.length);
    return Object.fromEntries([...this.#values].map(([name, values]) => [name, percent(values)]));
  }
}

/** As Python's round(value, 2): a tie goes to the even digit. */
function twoDecimals(value: number): number {
  const [whole, fraction] = value.toFixed(20).split('.');
  if (!/^..50*$/.test(fraction)) return Number(value.toFixed(2));
  const hundredths = Number(whole) * 100 + Number(fraction.slice(0, 2));
  return (hundredths + (hundredths % 2)) / 100;
}

/**
 * Whether the questions that are answered are those of the ground truth.
 * @param ids of the questions that are answered
 * @throws DataError naming some of those that are only on one side
 */
export function checkQuestions(
  ids: Iterable<QuestionId>,
  { annotations }: VqaAnnotations,
  questions?: VqaQuestions,
): void {
  const idsOf = (list: readonly { question_id: QuestionId }[]) =>
    new Set(list.map(({ question_id }) => String(question_id)));
  const asked = questions && idsOf(questions.questions);
  const known = [...idsOf(annotations)].filter((id) => !asked || asked.has(id));
  const answered = new Set(Array.from(ids, String));
  const missing = known.filter((id) => !answered.has(id));
  const scored = new Set(known);
  const unknown = [...answered].filter((id) => !scored.has(id));
  if (missing.length === 0 && unknown.length === 0) return;
  throw new DataError('the answers are not those to the questions of the ground truth', {
    found: [
      missing.length > 0 && `no answer to ${missing.length} of ${known.length} questions: ${some(missing)}`,
      unknown.length > 0 && `${unknown.length} answers to questions that are not there: ${some(unknown)}`,
    ]
      .filter(Boolean)
      .join('\n'),
    help: 'the annotations and questions of the split that is evaluated (run.anno_files, run.ques_files)',
  });
}
