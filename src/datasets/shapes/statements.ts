import { Rng } from '../../common/random.js';
import { withArticle } from './captions.js';
import { plural } from './questions.js';
import { BACKGROUNDS, COLOURS, drawnScene, type Kind, type Scene, SHAPES } from './scene.js';

/** A sentence about two scenes, and whether it is true of them. */
interface Statement {
  sentence: string;
  holds(left: Scene, right: Scene): boolean;
}

const pick = <T>(list: readonly T[], rng: Rng): T => list[rng.int(list.length)];

const sideOf = (rng: Rng) => pick(['left', 'right'] as const, rng);
const at = <T>(side: 'left' | 'right', left: T, right: T): T => (side === 'left' ? left : right);

const shows = ({ things }: Scene, wanted: Partial<Kind>) =>
  things.some(
    ({ shape, colour }) => shape === (wanted.shape ?? shape) && colour === (wanted.colour ?? colour),
  );
const countIn = ({ things }: Scene, shape: Kind['shape']) =>
  things.filter((one) => one.shape === shape).length;

/**
 * Ways to say something of two scenes. "left" and "right" name images alone: training exchanges the words when it
 * swaps the images, which would make "to the left of" untrue.
 */
const WAYS: readonly ((rng: Rng) => Statement)[] = [
  (rng) => {
    const [side, shape] = [sideOf(rng), pick(SHAPES, rng)];
    return {
      sentence: `the ${side} image shows a ${shape}`,
      holds: (left, right) => shows(at(side, left, right), { shape }),
    };
  },
  (rng) => {
    const [side, kind] = [sideOf(rng), { colour: pick(COLOURS, rng), shape: pick(SHAPES, rng) }];
    return {
      sentence: `there is ${withArticle(`${kind.colour} ${kind.shape}`)} in the ${side} image`,
      holds: (left, right) => shows(at(side, left, right), kind),
    };
  },
  (rng) => {
    const shape = pick(SHAPES, rng);
    return {
      sentence: `both images show a ${shape}`,
      holds: (left, right) => shows(left, { shape }) && shows(right, { shape }),
    };
  },
  (rng) => {
    const colour = pick(COLOURS, rng);
    return {
      sentence: `only one image shows ${withArticle(`${colour} shape`)}`,
      holds: (left, right) => shows(left, { colour }) !== shows(right, { colour }),
    };
  },
  (rng) => {
    const [count, shape] = [1 + rng.int(3), pick(SHAPES, rng)];
    const named =
      count === 1 ? `is exactly one ${shape}` : `are exactly ${['two', 'three'][count - 2]} ${plural(shape)}`;
    return {
      sentence: `there ${named} in the two images`,
      holds: (left, right) => countIn(left, shape) + countIn(right, shape) === count,
    };
  },
  (rng) => {
    const [side, background] = [sideOf(rng), pick(BACKGROUNDS, rng)];
    return {
      sentence: `the ${side} image has a ${background} background`,
      holds: (left, right) => at(side, left, right).background === background,
    };
  },
  () => ({
    sentence: 'both images have the same background',
    holds: (left, right) => left.background === right.background,
  }),
  (rng) => {
    const [side, above, below] = [sideOf(rng), pick(COLOURS, rng), pick(COLOURS, rng)];
    return {
      sentence: `in the ${side} image ${withArticle(`${above} shape`)} is above ${withArticle(`${below} shape`)}`,
      holds: (left, right) => isAbove(at(side, left, right), above, below),
    };
  },
];

function isAbove({ things: [a, b], relation }: Scene, above: Kind['colour'], below: Kind['colour']): boolean {
  if (relation === 'above') return a.colour === above && b.colour === below;
  return relation === 'below' && b.colour === above && a.colour === below;
}

/** Two scenes and a sentence that is true of them or not. */
export interface StatedScenes {
  scenes: [Scene, Scene];
  sentence: string;
  isTrue: boolean;
}

/**
 * The i-th of a split: first the sentence is drawn, then whether it is to be true, and then scenes until it is. So a
 * sentence alone tells nothing about its truth.
 */
export function statedScenes(pairs: [Kind, Kind][], ...seeds: (number | string)[]): StatedScenes {
  const rng = Rng.of(...seeds);
  for (;;) {
    const { sentence, holds } = pick(WAYS, rng)(rng);
    const isTrue = rng.int(2) === 1;
    for (let attempt = 0; attempt < 2000; attempt++) {
      const scenes: [Scene, Scene] = [drawnScene(pairs, rng), drawnScene(pairs, rng)];
      if (holds(...scenes) === isTrue) return { scenes, sentence, isTrue };
    }
    // A split may have no such pair of shapes: another sentence.
  }
}
