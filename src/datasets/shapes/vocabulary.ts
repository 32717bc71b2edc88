import { captionWords, vocabularyOf } from './captions.js';
import { plural, questionAnswers } from './questions.js';
import { SHAPES } from './scene.js';

/** The words of questions and their answers, and of sentences about two scenes. */
const FURTHER_WORDS =
  '? 0 1 2 an what color shape size where how many are there thing things both same yes no image images shows show only one exactly two three has have in';

/** The vocabulary of all tasks on drawn scenes; captions' own is older, and a model's size depends on it. */
export function shapesFamilyVocabulary(): string[] {
  const words = [...questionAnswers(), ...SHAPES.map(plural), FURTHER_WORDS].join(' ').split(' ');
  return vocabularyOf([...new Set([...captionWords(), ...words])].sort());
}
