/** The graphs of attention and of its gradient. */
import { contrib, float, type GraphSpec, type Node, node } from '../messages.js';

/** What a graph of attention depends on. */
export interface Variant {
  masked: boolean;
  dropped: boolean;
  /** Keys and values come as [B, H, Tk, d]. */
  split: boolean;
  /** So few queries that each has a product of its own. */
  few: boolean;
  scale: number;
}

export const keyOf = (kind: string, { masked, dropped, split, few, scale }: Variant) =>
  `${kind} ${masked} ${dropped} ${split} ${few} ${scale}`;

/** [B, T, H, d] -> [B, H, T, d], or back. */
export const swapHeads = (from: string, to: string) => node('Transpose', from, to, { perm: [0, 2, 1, 3] });

/** A product for each query: of one row it reads its right side as it lies, of more it copies that first. */
const eachQuery = (x: string, alone: string) => node('Unsqueeze', [x, 'query_axis'], alone);
/** Keys or values that all queries of a head are multiplied with. */
const forEachQuery = (x: string, shared: string) => node('Unsqueeze', [x, 'shared_axis'], shared);

/** scale q kᵀ, [B, H, Tq, Tk] */
function scores({ split, few, scale }: Variant, result: string): Node[] {
  const key = split ? 'key' : 'k';
  if (!few) return [contrib('FusedMatMul', ['q', key], result, { transB: 1, alpha: float(scale) })];
  return [
    node('Mul', ['q', 'scale'], 'q_scaled'),
    eachQuery('q_scaled', 'q_alone'),
    forEachQuery(key, 'k_shared'),
    contrib('FusedMatMul', ['q_alone', 'k_shared'], 'scores_alone', { transB: 1 }),
    node('Squeeze', ['scores_alone', 'query_axis'], result),
  ];
}

/** p v, [B, H, Tq, d] */
function attended({ split, few }: Variant, p: string, result: string): Node[] {
  const value = split ? 'value' : 'v';
  if (!few) return [node('MatMul', [p, value], result)];
  return [
    eachQuery(p, 'p_alone'),
    forEachQuery(value, 'v_shared'),
    node('MatMul', ['p_alone', 'v_shared'], 'o_alone'),
    node('Squeeze', ['o_alone', 'query_axis'], result),
  ];
}

/** What the nodes above take. */
export const attentionConstants = ({ few, scale }: Variant): GraphSpec['constants'] =>
  few ? { scale, query_axis: [3], shared_axis: [2] } : {};

/** Queries and keys to probabilities, and those that dropout leaves. */
function probabilities(variant: Variant): Node[] {
  const { masked, dropped } = variant;
  return [
    ...scores(variant, masked ? 'products' : 'scores'),
    ...(masked ? [node('Add', ['products', 'mask'], 'scores')] : []),
    node('Softmax', 'scores', 'p', { axis: -1 }),
    ...(dropped ? [node('Mul', ['p', 'kept'], 'p_kept')] : []),
  ];
}

export const optionalInputs = ({ masked, dropped }: Variant): GraphSpec['inputs'] => ({
  ...(masked && { mask: 'float32' as const }),
  ...(dropped && { kept: 'float32' as const }),
});

/** From `query`, `key`, `value` and the optional inputs to `result`, [B, T, H, d]. */
export const attentionNodes = (variant: Variant, result: string): Node[] => [
  swapHeads('query', 'q'),
  ...(variant.split ? [] : [swapHeads('key', 'k'), swapHeads('value', 'v')]),
  ...probabilities(variant),
  ...attended(variant, variant.dropped ? 'p_kept' : 'p', 'o'),
  swapHeads('o', result),
];

export const forwardGraph = (variant: Variant): GraphSpec => ({
  inputs: { query: 'float32', key: 'float32', value: 'float32', ...optionalInputs(variant) },
  outputs: { y: 'float32' },
  nodes: attentionNodes(variant, 'y'),
  constants: attentionConstants(variant),
});

/** The probabilities are computed again; sum(p * dp) over the keys equals sum(y * dy) over the head's width. */
export const backwardGraph = (variant: Variant): GraphSpec => ({
  inputs: {
    query: 'float32',
    key: 'float32',
    value: 'float32',
    y: 'float32',
    dy: 'float32',
    ...optionalInputs(variant),
  },
  outputs: { dquery: 'float32', dkey: 'float32', dvalue: 'float32' },
  nodes: [
    swapHeads('query', 'q'),
    ...(variant.split ? [] : [swapHeads('key', 'k'), swapHeads('value', 'v')]),
    swapHeads('dy', 'do'),
    node('Mul', ['y', 'dy'], 'y_dy'),
    node('ReduceSum', ['y_dy', 'columns'], 'along_rows'), // [B, Tq, H, 1]
    swapHeads('along_rows', 'along'),
    ...probabilities(variant),
    contrib('FusedMatMul', [variant.dropped ? 'p_kept' : 'p', 'do'], variant.split ? 'dvalue' : 'dv', {
      transA: 1,
    }),
    contrib('FusedMatMul', ['do', variant.split ? 'value' : 'v'], variant.dropped ? 'dp_kept' : 'dp', {
      transB: 1,
    }),
    ...(variant.dropped ? [node('Mul', ['dp_kept', 'kept'], 'dp')] : []),
    node('Sub', ['dp', 'along'], 'dp_centred'),
    node('Mul', ['p', 'dp_centred'], 'ds'),
    contrib('FusedMatMul', ['ds', variant.split ? 'key' : 'k'], 'dq', { alpha: float(variant.scale) }),
    contrib('FusedMatMul', ['ds', 'q'], variant.split ? 'dkey' : 'dk', {
      transA: 1,
      alpha: float(variant.scale),
    }),
    swapHeads('dq', 'dquery'),
    ...(variant.split ? [] : [swapHeads('dk', 'dkey'), swapHeads('dv', 'dvalue')]),
  ],
  constants: { columns: [-1], ...attentionConstants(variant) },
});

/** Values with a column of ones; dy, and with it -sum(y * dy) over each head's width. All [B, H, T, d or d + 1]. */
export const widenedGraph = (): GraphSpec => ({
  inputs: { value: 'float32', ones: 'float32', y: 'float32', dy: 'float32' },
  outputs: { v_one: 'float32', do: 'float32', do_along: 'float32' },
  nodes: [
    swapHeads('value', 'v'),
    node('Concat', ['v', 'ones'], 'v_one', { axis: -1 }),
    swapHeads('dy', 'do'),
    node('Mul', ['y', 'dy'], 'y_dy'),
    node('ReduceSum', ['y_dy', 'columns'], 'rows'), // [B, T, H, 1]
    swapHeads('rows', 'sums'),
    node('Neg', 'sums', 'along'),
    node('Concat', ['do', 'along'], 'do_along', { axis: -1 }),
  ],
  constants: { columns: [-1] },
});

/**
 * Gradients of heads that lie one after the other. One more column makes the product give dp - sum(y * dy) at
 * once, with no pass over it.
 */
export const byHeadsGraph = (scale: number): GraphSpec => ({
  inputs: { q: 'float32', k: 'float32', v_one: 'float32', do: 'float32', do_along: 'float32' },
  outputs: { dq: 'float32', dk: 'float32', dv: 'float32' },
  nodes: [
    contrib('FusedMatMul', ['q', 'k'], 'scores', { transB: 1, alpha: float(scale) }),
    node('Softmax', 'scores', 'p', { axis: -1 }),
    contrib('FusedMatMul', ['p', 'do'], 'dv', { transA: 1 }),
    contrib('FusedMatMul', ['do_along', 'v_one'], 'dp_centred', { transB: 1 }),
    node('Mul', ['p', 'dp_centred'], 'ds'),
    contrib('FusedMatMul', ['ds', 'k'], 'dq', { alpha: float(scale) }),
    contrib('FusedMatMul', ['ds', 'q'], 'dk', { transA: 1, alpha: float(scale) }),
  ],
});

/** ONNX Runtime's blocked attention, which never holds all probabilities. */
export const flashGraph = (numHeads: number, scale: number): GraphSpec => ({
  inputs: { query: 'float32', key: 'float32', value: 'float32' },
  outputs: { y: 'float32' },
  nodes: [
    contrib('MultiHeadAttention', ['query', 'key', 'value'], 'y', {
      num_heads: numHeads,
      scale: float(scale),
    }),
  ],
});
