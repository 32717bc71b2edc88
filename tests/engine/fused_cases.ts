import {
  adamwUpdate,
  appendKeysAndValues,
  attention,
  attentionPart,
  dropout,
  feedForwardPart,
  gelu,
  layerNorm,
  linear,
  linearParts,
  softmaxCrossEntropy,
  tf,
} from '#src/engine/index.js';
import { type Case, floats, type Input, ints } from './conformance.js';

const tolerance = 5e-6;

const linearCases = (
  [[4], [3, 4], [2, 3, 4], [4, 3, 70], [0, 4], [2, 0, 4], [129, 70], [2601, 7]] as number[][]
).flatMap((shape): Case[] => {
  const weight = floats([5, shape.at(-1)!], { seed: 2 });
  return [
    {
      name: `linear [${shape}]`,
      f: linear,
      inputs: [floats(shape), weight, floats([5], { seed: 3 })],
      tolerance,
    },
    {
      name: `linear without bias [${shape}]`,
      f: (x, w) => linear(x, w),
      inputs: [floats(shape), weight],
      tolerance,
    },
  ];
});

const linearPartsCases = (
  [
    [3, 4],
    [2, 3, 4],
    [0, 4],
    [129, 70],
  ] as number[][]
).map(
  (shape): Case => ({
    name: `linearParts [${shape}]`,
    f: (x, w, b) => linearParts(x, w, b, 3),
    inputs: [floats(shape), floats([15, shape.at(-1)!], { seed: 2 }), floats([15], { seed: 3 })],
    tolerance,
  }),
);

const layerNormCases = ([[6], [3, 8], [2, 3, 8], [0, 8], [700, 768]] as number[][]).flatMap((shape) =>
  [1e-6, 1e-12].map((eps): Case => {
    const width = shape.at(-1)!;
    const inputs = [floats(shape), floats([width], { seed: 2 }), floats([width], { seed: 3 })];
    return {
      name: `layerNorm [${shape}] eps ${eps}`,
      f: (x, w, b) => layerNorm(x, w, b, eps),
      inputs,
      tolerance: 1e-5,
    };
  }),
);

const geluCases = ([[], [5], [2, 3, 4], [0, 3], [300_001]] as number[][]).map(
  (shape): Case => ({ name: `gelu [${shape}]`, f: gelu, inputs: [floats(shape, { scale: 6 })], tolerance }),
);

const dropoutCases = ([[], [5], [0, 3], [100, 30]] as number[][]).flatMap((shape) =>
  [0, 0.1, 0.9].map(
    (rate): Case => ({
      name: `dropout ${rate} [${shape}]`,
      f: (x) => dropout(x, rate, 12345678901),
      inputs: [floats(shape)],
    }),
  ),
);

interface AttentionCase {
  batch: number;
  queries: number;
  keys: number;
  heads: number;
  width: number;
  mask?: number[];
  rate?: number;
  scale?: number;
  /** Keys and values come with their heads split. */
  split?: boolean;
}

const ATTENTION: AttentionCase[] = [
  { batch: 1, queries: 1, keys: 1, heads: 1, width: 4 },
  { batch: 2, queries: 5, keys: 5, heads: 2, width: 8 },
  { batch: 2, queries: 3, keys: 7, heads: 4, width: 8 },
  { batch: 3, queries: 1, keys: 9, heads: 2, width: 8 },
  { batch: 2, queries: 3, keys: 7, heads: 2, width: 8, scale: 0.3 },
  { batch: 2, queries: 5, keys: 5, heads: 2, width: 8, mask: [1, 1, 5, 5] },
  { batch: 2, queries: 5, keys: 5, heads: 2, width: 8, mask: [2, 1, 1, 5] },
  { batch: 2, queries: 5, keys: 4, heads: 2, width: 8, mask: [2, 2, 5, 4] },
  { batch: 2, queries: 5, keys: 4, heads: 2, width: 8, mask: [5, 4] },
  { batch: 2, queries: 5, keys: 6, heads: 2, width: 8, rate: 0.4 },
  { batch: 2, queries: 4, keys: 6, heads: 2, width: 8, scale: 0.3, mask: [2, 1, 4, 6], rate: 0.4 },
  { batch: 2, queries: 3, keys: 6, heads: 2, width: 8, mask: [2, 1, 1, 6], split: true },
  { batch: 2, queries: 5, keys: 5, heads: 2, width: 8, mask: [2, 1, 5, 5], rate: 0.4 },
  { batch: 2, queries: 3, keys: 7, heads: 4, width: 8, split: true },
  { batch: 2, queries: 5, keys: 4, heads: 2, width: 8, mask: [2, 1, 5, 4], rate: 0.4, split: true },
  { batch: 0, queries: 5, keys: 5, heads: 2, width: 8 },
  { batch: 2, queries: 0, keys: 5, heads: 2, width: 8 },
  { batch: 3, queries: 700, keys: 600, heads: 4, width: 16 }, // more than one chunk
  { batch: 3, queries: 700, keys: 600, heads: 4, width: 16, mask: [3, 1, 1, 600], rate: 0.1 },
];

const attentionCases = ATTENTION.map((one): Case => {
  const { batch, queries, keys, heads, width, mask, rate = 0, scale, split } = one;
  const memory = split ? [batch, heads, keys, width / heads] : [batch, keys, width];
  const inputs: Input[] = [
    floats([batch, queries, width]),
    floats(memory, { seed: 2 }),
    floats(memory, { seed: 3 }),
  ];
  const masked = mask && floats(mask, { seed: 4 });
  return {
    name: `attention ${JSON.stringify(one)}`,
    f: (q, k, v) =>
      attention(q, k, v, {
        numHeads: heads,
        scale,
        mask: masked && tf.tensor(masked.values, mask),
        dropout: rate > 0 ? { rate, seed: 77 } : undefined,
      }),
    inputs,
    tolerance: 1e-5,
  };
});

interface PartCase {
  batch: number;
  tokens: number;
  /** What is attended to, or remembered before. */
  keys: number;
  heads: number;
  width: number;
  mask?: number[];
  split?: boolean;
}

const PARTS: PartCase[] = [
  { batch: 1, tokens: 1, keys: 1, heads: 1, width: 4 },
  { batch: 4, tokens: 3, keys: 9, heads: 2, width: 8, split: true }, // a handful of rows
  { batch: 4, tokens: 3, keys: 9, heads: 2, width: 8, mask: [4, 1, 3, 9] },
  { batch: 2, tokens: 20, keys: 5, heads: 4, width: 8, mask: [1, 1, 20, 5] }, // more than a few queries
  { batch: 20, tokens: 3, keys: 4, heads: 2, width: 8, split: true }, // more than a handful
  { batch: 2, tokens: 33, keys: 4, heads: 2, width: 8 }, // a text too long for one kernel
  { batch: 0, tokens: 3, keys: 4, heads: 2, width: 8 },
  { batch: 2, tokens: 3, keys: 0, heads: 2, width: 8 },
];

const plain = (weight: tf.Tensor, bias: tf.Tensor) => ({ weight, bias, adapter: undefined });

/** Parts of a post-norm layer: the kernel against the composition, which the other engines run. */
const postNormCases = PARTS.flatMap((one): Case[] => {
  const { batch, tokens, keys, heads, width, mask, split } = one;
  const x = floats([batch, tokens, width]);
  const weights = (outputs: number, inputs: number, seed: number) => [
    floats([outputs, inputs], { seed, scale: 0.5 }),
    floats([outputs], { seed: seed + 1 }),
  ];
  const name = JSON.stringify(one);
  const memory = split ? [batch, heads, keys, width / heads] : [batch, keys, width];
  const masked = mask && floats(mask, { seed: 4 });
  const norm = [floats([width], { seed: 20 }), floats([width], { seed: 21 })];
  const eps = 1e-5;
  return [
    {
      name: `attentionPart ${name}`,
      f: (x, key, value, qw, qb, ow, ob, nw, nb) => {
        const attend = { numHeads: heads, mask: masked && tf.tensor(masked.values, mask) };
        return attentionPart({
          ...{ x, memory: { key, value }, ...attend },
          ...{ query: plain(qw, qb), output: plain(ow, ob) },
          norm: { weight: nw, bias: nb, eps },
        });
      },
      inputs: [
        ...[x, floats(memory, { seed: 2 }), floats(memory, { seed: 3 })],
        ...[...weights(width, width, 10), ...weights(width, width, 12), ...norm],
      ],
      tolerance: 1e-5,
    },
    {
      name: `feedForwardPart ${name}`,
      f: (x, iw, ib, ow, ob, nw, nb) =>
        feedForwardPart({
          ...{ x, intermediate: plain(iw, ib), output: plain(ow, ob) },
          norm: { weight: nw, bias: nb, eps },
        }),
      inputs: [x, ...weights(3 * width, width, 10), ...weights(width, 3 * width, 12), ...norm],
      tolerance: 1e-5,
    },
    {
      name: `appendKeysAndValues ${name}`,
      f: (x, pastKey, pastValue, kw, kb, vw, vb) => {
        const past = { key: pastKey, value: pastValue };
        const { key, value } = appendKeysAndValues({ x, key: plain(kw, kb), value: plain(vw, vb), past });
        return [key, value];
      },
      inputs: [
        ...[x, floats([batch, keys, width], { seed: 2 }), floats([batch, keys, width], { seed: 3 })],
        ...[...weights(width, width, 10), ...weights(width, width, 12)],
      ],
      tolerance,
    },
  ];
});

const LABELS = { all: [0, 4, 2, 6], some: [-100, 4, 4, -100], last: [-100, -100, -100, 1], one: [3] };

const crossEntropyCases = Object.entries(LABELS).flatMap(([which, values]) =>
  [0, 0.1].map(
    (labelSmoothing): Case => ({
      name: `softmaxCrossEntropy of ${which} labels, smoothing ${labelSmoothing}`,
      f: (x, labels) => softmaxCrossEntropy(x, labels, { labelSmoothing }),
      inputs: [floats([values.length, 7], { scale: 8 }), { shape: [values.length], dtype: 'int32', values }],
      tolerance,
    }),
  ),
);

const adamwCases = ([[], [5], [3, 4], [70_001], [0]] as number[][]).map(
  (shape): Case => ({
    name: `adamwUpdate [${shape}]`,
    f: (start, ...grads) => {
      const [param, expAvg, expAvgSq] = [start, tf.zerosLike(start), tf.zerosLike(start)].map((x) =>
        tf.variable(x),
      );
      const options = { lr: 0.01, beta1: 0.9, beta2: 0.98, eps: 1e-8, weightDecay: 0.05 };
      grads.forEach((grad, i) => {
        adamwUpdate({ param, grad, expAvg, expAvgSq, ...options, step: i + 1 });
      });
      const results = [start, param, expAvg, expAvgSq].map((x) => x.clone());
      tf.dispose([param, expAvg, expAvgSq]);
      return results;
    },
    inputs: [floats(shape), floats(shape, { seed: 2 }), floats(shape, { seed: 3 })],
    gradient: false,
  }),
);

const embedding: Case = {
  name: 'an embedding, whose gradient adds up the rows of a word',
  f: (table, ids) => tf.gather(table, ids),
  inputs: [floats([50, 16]), ints([3, 7], 50)],
};

/** Every fused operation, value and gradient. */
export const fusedCases: Case[] = [
  ...linearCases,
  ...linearPartsCases,
  ...layerNormCases,
  ...geluCases,
  ...dropoutCases,
  ...attentionCases,
  ...postNormCases,
  ...crossEntropyCases,
  ...adamwCases,
  embedding,
];
