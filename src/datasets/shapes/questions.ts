import type { Rng } from '../../common/random.js';
import { captionWords, OPPOSITE, PLACES, phrase, place, vocabularyOf, withArticle } from './captions.js';
import { BACKGROUNDS, COLOURS, type Kind, type Scene, SHAPES, SIZES, type Thing } from './scene.js';

/** A question about a scene, its answer, and the types by which VQA's scorer sorts it. */
export interface Question {
  question: string;
  answer: string;
  question_type: string;
  answer_type: 'yes/no' | 'number' | 'other';
}

const kindOf = ({ colour, shape }: Kind) => `${colour} ${shape}`;
export const plural = (shape: Kind['shape']) => (shape === 'cross' ? 'crosses' : `${shape}s`);

/** A way to ask; undefined where the scene makes the question ambiguous. */
type Way = (scene: Scene, rng: Rng) => Question | undefined;

const pick = <T>(list: readonly T[], rng: Rng): T => list[rng.int(list.length)];

/** Either thing first. */
const inEitherOrder = ({ things: [a, b] }: Scene, rng: Rng): [Thing, Thing] => (rng.int(2) ? [a, b] : [b, a]);

const other = (question_type: string, rest: string, answer: string): Question => ({
  question: `${question_type} ${rest}?`,
  answer,
  question_type,
  answer_type: 'other',
});
const number = (rest: string, count: number): Question => ({
  question: `how many ${rest}?`,
  answer: String(count),
  question_type: 'how many',
  answer_type: 'number',
});
const yesOrNo = (question_type: string, rest: string, isSo: boolean): Question => ({
  question: `${question_type} ${rest}?`,
  answer: isSo ? 'yes' : 'no',
  question_type,
  answer_type: 'yes/no',
});

/** A colour, size, shape or place, what is where, how many, whether. */
const WAYS: readonly Way[] = [
  (scene, rng) => {
    const [one, another] = inEitherOrder(scene, rng);
    return one.shape === another.shape ? undefined : other('what color is', `the ${one.shape}`, one.colour);
  },
  ({ background }) => other('what color is', 'the background', background),
  (scene, rng) => {
    const [one, another] = inEitherOrder(scene, rng);
    return one.colour === another.colour
      ? undefined
      : other('what shape is', `the ${one.colour} thing`, one.shape);
  },
  (scene, rng) => {
    const [one] = inEitherOrder(scene, rng);
    return other('what size is', `the ${kindOf(one)}`, one.size);
  },
  (scene, rng) => {
    const [one] = inEitherOrder(scene, rng);
    return other('where is', `the ${kindOf(one)}`, place(one));
  },
  ({ things: [a, b], relation }, rng) =>
    rng.int(2)
      ? other('what is', `${phrase(relation)} the ${kindOf(b)}`, kindOf(a))
      : other('what is', `${phrase(OPPOSITE[relation])} the ${kindOf(a)}`, kindOf(b)),
  ({ things }, rng) => {
    const shape = rng.int(3) ? pick(things, rng).shape : pick(SHAPES, rng);
    return number(`${plural(shape)} are there`, things.filter((thing) => thing.shape === shape).length);
  },
  ({ things }, rng) => {
    const size = pick(SIZES, rng);
    return number(`things are ${size}`, things.filter((thing) => thing.size === size).length);
  },
  (scene, rng) => {
    const [one, another] = inEitherOrder(scene, rng);
    if (rng.int(2)) return yesOrNo('is there', withArticle(kindOf(one)), true);
    // What is not there is like what is, but for its colour or its shape.
    const absent: Kind = rng.int(2)
      ? { colour: one.colour, shape: pick(SHAPES, rng) }
      : { colour: pick(COLOURS, rng), shape: one.shape };
    const isThere = [one, another].some((thing) => kindOf(thing) === kindOf(absent));
    return isThere ? undefined : yesOrNo('is there', withArticle(kindOf(absent)), false);
  },
  ({ things: [a, b], relation }, rng) => {
    const isSo = rng.int(2) === 1;
    const said = isSo ? relation : OPPOSITE[relation];
    return yesOrNo('is', `the ${kindOf(a)} ${phrase(said)} the ${kindOf(b)}`, isSo);
  },
  ({ things: [a, b] }) => yesOrNo('are', 'both things of the same size', a.size === b.size),
];

/** Some questions about a scene, each asked in another way. */
export function questionsOf(scene: Scene, count: number, rng: Rng): Question[] {
  const questions: Question[] = [];
  for (const way of rng.permutation(WAYS.length)) {
    if (questions.length === count) break;
    const question = WAYS[way](scene, rng);
    if (question) questions.push(question);
  }
  return questions;
}

/** Every answer that there is to some question. */
export function questionAnswers(): string[] {
  const kinds = COLOURS.flatMap((colour) => SHAPES.map((shape) => kindOf({ colour, shape })));
  return ['yes', 'no', '0', '1', '2', ...SIZES, ...COLOURS, ...BACKGROUNDS, ...SHAPES, ...PLACES, ...kinds];
}

/** The words of questions and their answers, and of sentences about two scenes. */
const FURTHER_WORDS =
  '? 0 1 2 an what color shape size where how many are there thing things both same yes no image images shows show only one exactly two three has have in';

/** The vocabulary of all tasks on drawn scenes; captions' own is older, and a model's size depends on it. */
export function shapesFamilyVocabulary(): string[] {
  const words = [...questionAnswers(), ...SHAPES.map(plural), FURTHER_WORDS].join(' ').split(' ');
  return vocabularyOf([...new Set([...captionWords(), ...words])].sort());
}
