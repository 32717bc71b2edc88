import { Rng } from '../../common/random.js';

export const SHAPES = ['circle', 'square', 'triangle', 'star', 'cross', 'heart'] as const;
export const COLOURS = ['red', 'green', 'blue', 'yellow', 'purple', 'orange'] as const;
export const SIZES = ['small', 'large'] as const;
export const BACKGROUNDS = ['white', 'gray', 'black'] as const;
export const RELATIONS = ['above', 'below', 'left of', 'right of'] as const;

export type Relation = (typeof RELATIONS)[number];

/** What a thing is, whatever its size and place. */
export interface Kind {
  shape: (typeof SHAPES)[number];
  colour: (typeof COLOURS)[number];
}

export interface Thing extends Kind {
  size: (typeof SIZES)[number];
  /** Centre and half the width, in parts of the image. */
  x: number;
  y: number;
  radius: number;
  /** Degrees, a few. */
  turn: number;
}

/** Two things on a background; the first is `relation` the second. */
export interface Scene {
  background: (typeof BACKGROUNDS)[number];
  things: [Thing, Thing];
  relation: Relation;
}

export const SHAPES_SPLITS = ['train', 'val', 'test'] as const;
export type ShapesSplit = (typeof SHAPES_SPLITS)[number];

/**
 * The pairs of kinds that each split may show: every pair belongs to one split, so that a caption of val
 * or test describes what no training scene shows.
 */
export function pairsOfSplit(seed: number): Record<ShapesSplit, [Kind, Kind][]> {
  const kinds: Kind[] = SHAPES.flatMap((shape) => COLOURS.map((colour) => ({ shape, colour })));
  const pairs: Record<ShapesSplit, [Kind, Kind][]> = { train: [], val: [], test: [] };
  kinds.forEach((a, i) => {
    for (const b of kinds.slice(i + 1)) {
      const draw = Rng.of(seed, 'pair', `${a.colour} ${a.shape}`, `${b.colour} ${b.shape}`).next();
      pairs[draw < 0.8 ? 'train' : draw < 0.9 ? 'val' : 'test'].push([a, b]);
    }
  });
  return pairs;
}

/** A scene of one of these pairs, either thing first. */
export function drawnScene(pairs: [Kind, Kind][], rng: Rng): Scene {
  const pick = <T>(list: readonly T[]): T => list[rng.int(list.length)];
  const pair = pick(pairs);
  const [first, second] = rng.int(2) ? pair : [pair[1], pair[0]];
  const relation = pick(RELATIONS);
  const background = pick(BACKGROUNDS);
  const things = [first, second].map((kind) => {
    const size = pick(SIZES);
    const radius = size === 'small' ? rng.uniform(0.085, 0.105) : rng.uniform(0.18, 0.21);
    return { ...kind, size, radius, turn: rng.uniform(-10, 10), x: 0, y: 0 };
  }) as [Thing, Thing];
  place(things, relation, rng);
  return { background, things, relation };
}

/** Scenes are boards of so many cells a side. A small thing takes one cell, a large one two by two. */
const CELLS = 4;

/** Puts the things apart along the relation's axis, and nearer each other along the other one. */
function place([first, second]: [Thing, Thing], relation: Relation, rng: Rng): void {
  const axis = relation === 'above' || relation === 'below' ? 'y' : 'x';
  const other = axis === 'y' ? 'x' : 'y';
  const [low, high] = relation === 'above' || relation === 'left of' ? [first, second] : [second, first];
  const cellsOf = ({ size }: Thing) => (size === 'small' ? 1 : 2);
  const put = (thing: Thing, along: 'x' | 'y', cell: number) => {
    thing[along] = (cell + cellsOf(thing) / 2) / CELLS;
  };
  const start = rng.int(CELLS - cellsOf(low) - cellsOf(high) + 1);
  const next = start + cellsOf(low);
  put(low, axis, start);
  put(high, axis, next + rng.int(CELLS - next - cellsOf(high) + 1));
  const apart = high[axis] - low[axis];
  put(first, other, rng.int(CELLS - cellsOf(first) + 1));
  do put(second, other, rng.int(CELLS - cellsOf(second) + 1));
  while (Math.abs(second[other] - first[other]) > apart / 2);
  for (const thing of [first, second]) {
    thing.x += rng.uniform(-0.02, 0.02);
    thing.y += rng.uniform(-0.02, 0.02);
  }
}
