import { BACKGROUNDS, COLOURS, RELATIONS, type Scene, SHAPES, SIZES, type Thing } from './scene.js';

export const OPPOSITE = {
  above: 'below',
  below: 'above',
  'left of': 'right of',
  'right of': 'left of',
} as const;

export const phrase = (relation: Scene['relation']) =>
  relation === 'left of' || relation === 'right of' ? `to the ${relation}` : relation;

export const noun = ({ size, colour, shape }: Thing) => `${size} ${colour} ${shape}`;

/** 'a red star', 'an orange star' */
export const withArticle = (words: string) => `${/^[aeiou]/.test(words) ? 'an' : 'a'} ${words}`;

const ROWS = ['top', 'middle', 'bottom'] as const;
const COLUMNS = ['left', 'center', 'right'] as const;

/** Where a thing may be: 'top left' … */
export const PLACES: readonly string[] = ROWS.flatMap((row) => COLUMNS.map((column) => `${row} ${column}`));

/** Where in the image a thing is, by the third of height and width that its centre lies in. */
export function place({ x, y }: Thing): string {
  const third = (at: number) => (at < 0.4 ? 0 : at > 0.6 ? 2 : 1);
  return `${ROWS[third(y)]} ${COLUMNS[third(x)]}`;
}

/** Seven ways to tell a scene; all say the same. */
export function captionsOf({ background, things: [a, b], relation }: Scene): string[] {
  const there = `a ${noun(a)} ${phrase(relation)} a ${noun(b)}`;
  const back = `a ${noun(b)} ${phrase(OPPOSITE[relation])} a ${noun(a)}`;
  const placed = (first: Thing, second: Thing) =>
    `a ${noun(first)} at the ${place(first)} and a ${noun(second)} at the ${place(second)}`;
  return [
    there,
    back,
    `${there} on a ${background} background`,
    `${back} on a ${background} background`,
    `the ${noun(a)} is ${phrase(relation)} the ${noun(b)}`,
    placed(a, b),
    placed(b, a),
  ];
}

/**
 * The ways to tell a scene that mention the upper or the left thing first, as people mostly do: what a model
 * is taught, so that it need not guess which thing comes first.
 */
export function orderedCaptionsOf(scene: Scene): { related: string[]; placed: string } {
  const [there, , withBackground, , , placed] = captionsOf(ordered(scene));
  return { related: [there, withBackground], placed };
}

/** The whole scene, its lower or right thing first. */
export const backwardCaptionOf = (scene: Scene): string => captionsOf(ordered(scene))[3];

/** The same scene with its upper or left thing first. */
function ordered(scene: Scene): Scene {
  const { things, relation } = scene;
  const backward = relation === 'below' || relation === 'right of';
  return backward ? { ...scene, things: [things[1], things[0]], relation: OPPOSITE[relation] } : scene;
}

/** Every word that captions and their prompt ("a picture of") use, sorted. */
export function captionWords(): string[] {
  const words = [...SHAPES, ...COLOURS, ...SIZES, ...BACKGROUNDS, ...RELATIONS];
  const glue = 'a the is to on of background picture at and top middle bottom left center right';
  return [...new Set(`${words.join(' ')} ${glue}`.split(' '))].sort();
}

/**
 * A WordPiece vocabulary for them, a token a line: BERT's special tokens, the letters with their
 * continuations (so that any word can be spelled), the words.
 */
export const shapesVocabulary = (): string[] => vocabularyOf(captionWords());

/** The same for several texts' words. */
export function vocabularyOf(all: readonly string[]): string[] {
  const letters = [...'abcdefghijklmnopqrstuvwxyz'];
  const words = all.filter((word) => !letters.includes(word));
  const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
  return [...special, ...letters, ...letters.map((letter) => `##${letter}`), ...words];
}
