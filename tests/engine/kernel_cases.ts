import { tf } from '#src/engine/index.js';
import { bools, type Case, floats, type Input, ints } from './conformance.js';

const show = (inputs: Input[]) => inputs.map((x) => `${x.dtype}[${x.shape}]`).join(' ');
const of = (
  name: string,
  f: Case['f'],
  inputs: Input[],
  rest: Pick<Case, 'gradient' | 'refused' | 'tolerance'> = {},
): Case => ({ name: `${name} ${show(inputs)}`, f, inputs, ...rest });

const SHAPES = [[], [0], [1], [7], [2, 3, 4], [3, 0, 2], [2, 1, 3, 1, 2], [70_001]];

const UNARY: Record<string, { f: (x: tf.Tensor) => tf.Tensor; above?: number }> = {
  abs: { f: tf.abs },
  ceil: { f: tf.ceil },
  cos: { f: tf.cos },
  erf: { f: tf.erf },
  exp: { f: tf.exp },
  floor: { f: tf.floor },
  log: { f: tf.log, above: 0.01 },
  neg: { f: tf.neg },
  reciprocal: { f: tf.reciprocal, above: 0.1 },
  relu: { f: tf.relu },
  rsqrt: { f: tf.rsqrt, above: 0.1 },
  sigmoid: { f: tf.sigmoid },
  sign: { f: tf.sign },
  sin: { f: tf.sin },
  sqrt: { f: tf.sqrt, above: 0.01 },
  square: { f: tf.square },
  tanh: { f: tf.tanh },
};

/** What lies outside of an operation's domain, or at its edge. */
const ODD: Input = {
  shape: [9],
  dtype: 'float32',
  values: [0, -0, -1, 100, -100, 1e-30, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN],
};

const unary = Object.entries(UNARY).flatMap(([name, { f, above }]) => [
  ...SHAPES.map((shape) => of(name, f, [floats(shape, { above })], { tolerance: 5e-6 })),
  of(`${name} of odd values`, f, [ODD], { gradient: false, tolerance: 5e-6 }),
]);

const PAIRS: [number[], number[]][] = [
  [[], []],
  [[3], []],
  [[], [2, 3]],
  [[4], [4]],
  [[2, 3], [3]],
  [
    [2, 1, 4],
    [3, 1],
  ],
  [
    [5, 1],
    [1, 6],
  ],
  [[0, 3], [3]],
  [[0], [1]],
  [[300, 257], [257]],
];

const ARITHMETIC = {
  add: tf.add,
  sub: tf.sub,
  mul: tf.mul,
  div: tf.div,
  maximum: tf.maximum,
  minimum: tf.minimum,
  squaredDifference: tf.squaredDifference,
};
const COMPARE = {
  equal: tf.equal,
  notEqual: tf.notEqual,
  less: tf.less,
  lessEqual: tf.lessEqual,
  greater: tf.greater,
  greaterEqual: tf.greaterEqual,
};

/** TensorFlow.js takes no gradient of some operations where an input is broadcast. */
function hasGradient(name: string, a: number[], b: number[]): boolean {
  if (`${a}` === `${b}`) return true;
  return !/^(maximum|minimum|squaredDifference)$/.test(name) && !(a.includes(0) && b.join() === '1');
}

const binary = PAIRS.flatMap(([a, b]) => [
  ...Object.entries(ARITHMETIC).flatMap(([name, f]) => [
    of(name, f, [floats(a), floats(b, { seed: 2, above: 0.1 })], { gradient: hasGradient(name, a, b) }),
    of(name, f, [ints(a, 9), ints(b, 5, 3).values.length ? ones(ints(b, 5, 3)) : ints(b)], {
      gradient: false,
    }),
  ]),
  ...Object.entries(COMPARE).flatMap(([name, f]) => [
    of(name, f, [floats(a), floats(b)], { gradient: false }),
    of(name, f, [ints(a, 3), ints(b, 3)], { gradient: false }),
    of(name, f, [bools(a), bools(b)], { gradient: false }),
  ]),
  of('logicalAnd', tf.logicalAnd, [bools(a), bools(b, 2)], { gradient: false }),
]);

/** No divisor is 0. */
function ones(input: Input): Input {
  return { ...input, values: input.values.map((value) => value + 1) };
}

const MATMUL: [number[], number[]][] = [
  [
    [3, 4],
    [4, 5],
  ],
  [
    [1, 1],
    [1, 1],
  ],
  [
    [2, 3, 4],
    [2, 4, 5],
  ],
  [
    [2, 3, 4],
    [4, 5],
  ],
  [
    [1, 3, 4],
    [6, 4, 5],
  ],
  [
    [1, 1, 3, 4], // where both are broadcast, TensorFlow.js's cpu backend makes too few values
    [2, 2, 4, 3],
  ],
  [
    [0, 4],
    [4, 5],
  ],
  [
    [3, 0],
    [0, 5],
  ],
  [
    [65, 130],
    [130, 67],
  ],
];

const flip = (shape: number[]) => [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!];

const matmul = MATMUL.flatMap(([a, b]) =>
  [false, true].flatMap((ta) =>
    [false, true].map((tb) =>
      of(
        `matMul ${ta} ${tb}`,
        (x, y) => tf.matMul(x, y, ta, tb),
        [floats(ta ? flip(a) : a), floats(tb ? flip(b) : b, { seed: 2 })],
        { gradient: `${a.slice(0, -2)}` === `${b.slice(0, -2)}` }, // TensorFlow.js has none of a broadcast one
      ),
    ),
  ),
);

const REDUCE = { sum: tf.sum, mean: tf.mean, max: tf.max, min: tf.min, prod: tf.prod };
const AXES: [number[], number | number[] | undefined][] = [
  [[], undefined],
  [[7], undefined],
  [[7], 0],
  [[3, 4, 5], undefined],
  [[3, 4, 5], -1],
  [[3, 4, 5], 0],
  [
    [3, 4, 5],
    [0, 2],
  ],
  [[3, 4, 5], []],
  [[0, 3], 0],
  [[3, 0], 0],
  [[200, 300], 0],
];

const reduce = AXES.flatMap(([shape, axis]) =>
  Object.entries(REDUCE).flatMap(([name, f]) =>
    [false, true].flatMap((keep) => [
      of(`${name} over ${axis} keep ${keep}`, (x) => f(x, axis, keep), [floats(shape, { scale: 1.2 })], {
        tolerance: axis === undefined ? 5e-5 : 5e-6, // such sums nearly cancel
        gradient: name !== 'prod' && !shape.includes(0),
      }),
      of(`${name} over ${axis} keep ${keep}`, (x) => f(x, axis, keep), [ints(shape, 4)], { gradient: false }),
    ]),
  ),
);

const others = [
  ...[[5], [3, 4], [2, 3, 577], [2, 0]].flatMap((shape) => [
    of('softmax', (x) => tf.softmax(x), [floats(shape, { scale: 9 })], { tolerance: 1e-5 }),
    of('logSoftmax', (x) => tf.logSoftmax(x), [floats(shape, { scale: 9 })], { tolerance: 1e-5 }),
    of('argMax', (x) => tf.argMax(x, -1), [floats(shape)], { gradient: false }),
    of('argMin', (x) => tf.argMin(x, -1), [floats(shape)], { gradient: false }),
    of('argMax of equal values', (x) => tf.argMax(x, 0), [ints(shape, 2)], { gradient: false }),
  ]),
  ...[floats([2, 3, 4]), ints([2, 3, 4]), bools([2, 3, 4]), floats([2, 0, 4]), floats([1, 3, 1])].flatMap(
    (x) => {
      const gradient = x.dtype === 'float32';
      return [
        of('transpose', (t) => tf.transpose(t), [x], { gradient }),
        of('transpose 0 2 1', (t) => tf.transpose(t, [0, 2, 1]), [x], { gradient }),
        of('transpose 0 1 2', (t) => tf.transpose(t, [0, 1, 2]), [x], { gradient }),
        of('slice', (t) => tf.slice(t, [0, 1, 0], [-1, Math.max(0, t.shape[1]! - 1), -1]), [x], {
          gradient: gradient && !x.shape.includes(0),
          refused: x.shape[1] === 0 ? /Error in slice3D/ : undefined,
        }),
        of('slice of all', (t) => tf.slice(t, [0, 0, 0]), [x], {
          gradient: gradient && !x.shape.includes(0),
        }),
        of('slice of none', (t) => tf.slice(t, [0, 0, 0], [0, -1, -1]), [x], { gradient: false }),
        of('concat', (t) => tf.concat([t, t, t], 1), [x], { gradient }),
        of('concat of one', (t) => tf.concat([t], 0), [x], { gradient }),
        of('stack', (t) => tf.stack([t, t], 1), [x], { gradient }),
        of('unstack', (t) => tf.unstack(t, 2), [x], {
          gradient: gradient && !x.shape.includes(0) && x.shape[2] > 1, // TensorFlow.js has none of one part
        }),
        of('tile', (t) => tf.tile(t, [2, 1, 3]), [x], { gradient }),
        of('tile by 1', (t) => tf.tile(t, [1, 1, 1]), [x], { gradient }),
        of('reverse', (t) => tf.reverse(t, 0), [x], { gradient }),
        of('expandDims and squeeze', (t) => tf.squeeze(tf.expandDims(t, 1), [1]), [x], { gradient }),
      ];
    },
  ),
  of('slice by negative size', (t) => tf.slice(t, [1], [-1]), [floats([5])]),
  of('slice outside', (t) => tf.slice(t, [3], [4]), [floats([5])], { refused: /Error in slice1D/ }),
  of('stridedSlice', (t) => tf.stridedSlice(t, [1, 0], [4, 6], [2, 3]), [floats([5, 6])], {
    gradient: false,
  }),
  of('split into equal parts', (t) => tf.split(t, 3, -1), [floats([2, 5, 6])]),
  of('split by sizes', (t) => tf.split(t, [1, 3, 2], 1), [floats([2, 6, 3])]),
  of('split by sizes', (t) => tf.split(t, [1, 3, 2], 0), [ints([6, 2])], { gradient: false }),
  of('split unevenly', (t) => tf.split(t, 4, 0), [floats([6, 2])], { refused: /evenly divide/ }),
  of('concat of different sizes', (a, b) => tf.concat([a, b], -1), [floats([2, 3]), floats([2, 5])]),
  of('concat of misfits', (a, b) => tf.concat([a, b], 1), [floats([2, 3]), floats([3, 5])], {
    refused: /does not match/,
  }),
  of('concat with none', (a, b) => tf.concat([a, b], 0), [floats([0, 3]), floats([2, 3])]),
  of('pad', (x) => tf.pad(x, [[1, 2], [0, 3]], 7), [floats([2, 3])]), // biome-ignore format: pairs
  of('pad by nothing', (x) => tf.pad(x, [[0, 0]]), [floats([4])]),
  of('pad', (x) => tf.pad(x, [[1, 2]], 7), [ints([4])], { gradient: false }),
  of('gather', (x, i) => tf.gather(x, i), [floats([10, 4]), ints([2, 3])]),
  of('gather along the last axis', (x, i) => tf.gather(x, i, -1), [floats([2, 10]), ints([5])]),
  of('gather', (x, i) => tf.gather(x, i), [ints([10, 4]), ints([6])], { gradient: false }),
  of('gather outside', (x, i) => tf.gather(x, i), [floats([3, 4]), ints([6])], {
    refused: /index value 9 is not in/,
  }),
  of('gather by batch', (x, i) => tf.gather(x, i, 1, 1), [floats([2, 10]), ints([2, 3])], {
    gradient: false,
  }),
  of('gather none', (x, i) => tf.gather(x, i), [floats([3, 4]), ints([0])], { gradient: false }),
  of('unsortedSegmentSum', (x, i) => tf.unsortedSegmentSum(x, i as tf.Tensor1D, 12), [
    floats([5, 3]),
    ints([5]),
  ]),
  of('topk', (x) => Object.values(tf.topk(x, 4)), [floats([3, 20])], { gradient: false }),
  of('topk of ties', (x) => Object.values(tf.topk(tf.floor(x), 5)), [floats([2, 9])], { gradient: false }),
  of('topk of all', (x) => Object.values(tf.topk(x, 6)), [floats([6])], { gradient: false }),
  of('topk', (x) => Object.values(tf.topk(x, 3)), [ints([4, 9])], { gradient: false }),
  of('oneHot', (x) => tf.oneHot(x, 5), [ints([2, 3], 5)], { gradient: false }),
  of('cumsum', (x) => tf.cumsum(x, 1), [floats([3, 5])]),
  of('clipByValue', (x) => tf.clipByValue(x, -0.5, 1), [floats([3, 5])]),
  of('where', (c, a, b) => tf.where(c, a, b), [bools([3, 4]), floats([3, 4]), floats([3, 4], { seed: 2 })]),
  of('where with broadcasting', (c, a, b) => tf.where(c, a, b), [bools([3, 1]), floats([4]), floats([3, 4])]),
  of('where', (c, a, b) => tf.where(c, a, b), [bools([4]), ints([4]), ints([4], 3)], { gradient: false }),
  of('addN', (a, b, c) => tf.addN([a, b, c]), [floats([3, 4]), floats([3, 4]), floats([3, 4])]),
  of('zerosLike and onesLike', (x) => [tf.zerosLike(x), tf.onesLike(x)], [floats([3])], { gradient: false }),
  ...[floats([2, 3], { scale: 9 }), ints([2, 3], 3), bools([2, 3]), floats([0, 3]), floats([])].flatMap((x) =>
    (['float32', 'int32', 'bool'] as const).map((to) =>
      of(`cast to ${to}`, (t) => t.cast(to), [x], { gradient: x.dtype === 'float32' && to === 'float32' }),
    ),
  ),
];

/** TensorFlow.js's own operations. */
export const kernelCases: Case[] = [...unary, ...binary, ...matmul, ...reduce, ...others];
