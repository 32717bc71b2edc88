import { fillDropoutMask } from '../../fused/dropout.js';
import { tf } from '../../tf.js';
import type { OnnxBackend } from '../backend.js';
import { contrib, float, type GraphSpec, type Node, node } from '../messages.js';
import { type KernelCall, kernel } from '../override.js';
import { type OrtValue, type OrtValues, ort } from '../sessions.js';

interface AttentionAttrs {
  numHeads: number;
  scale: number;
  rate: number;
  seed: number;
}

/** Bytes of scores worked on at a time: more would leave the cache. */
const SCORE_BYTES = 1 << 24;

interface Variant {
  masked: boolean;
  dropped: boolean;
  /** Keys and values come as [B, H, Tk, d]. */
  split: boolean;
  scale: number;
}

/** [B, T, H, d] -> [B, H, T, d], or back. */
const swapHeads = (from: string, to: string) => node('Transpose', from, to, { perm: [0, 2, 1, 3] });

/** Queries and keys to probabilities, and those that dropout leaves. */
function probabilities({ masked, dropped, split, scale }: Variant): Node[] {
  return [
    contrib('FusedMatMul', ['q', split ? 'key' : 'k'], masked ? 'products' : 'scores', {
      transB: 1,
      alpha: float(scale),
    }),
    ...(masked ? [node('Add', ['products', 'mask'], 'scores')] : []),
    node('Softmax', 'scores', 'p', { axis: -1 }),
    ...(dropped ? [node('Mul', ['p', 'kept'], 'p_kept')] : []),
  ];
}

const optionalInputs = ({ masked, dropped }: Variant): GraphSpec['inputs'] => ({
  ...(masked && { mask: 'float32' as const }),
  ...(dropped && { kept: 'float32' as const }),
});

const forwardGraph = (variant: Variant): GraphSpec => ({
  inputs: { query: 'float32', key: 'float32', value: 'float32', ...optionalInputs(variant) },
  outputs: { y: 'float32' },
  nodes: [
    swapHeads('query', 'q'),
    ...(variant.split ? [] : [swapHeads('key', 'k'), swapHeads('value', 'v')]),
    ...probabilities(variant),
    node('MatMul', [variant.dropped ? 'p_kept' : 'p', variant.split ? 'value' : 'v'], 'o'),
    swapHeads('o', 'y'),
  ],
});

/** The probabilities are computed again; sum(p * dp) over the keys equals sum(y * dy) over the head's width. */
const backwardGraph = (variant: Variant): GraphSpec => ({
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
  constants: { columns: [-1] },
});

const keyOf = (kind: string, { masked, dropped, split, scale }: Variant) =>
  `${kind} ${masked} ${dropped} ${split} ${scale}`;

const variantOf = ({
  inputs: { key, mask },
  attrs: { rate, scale },
}: KernelCall<AttentionAttrs>): Variant => ({
  masked: mask !== undefined,
  dropped: rate > 0,
  split: key.shape.length === 4,
  scale,
});

export function registerAttention(): void {
  kernel<AttentionAttrs>('LavisAttention', (call) => {
    const { inputs, attrs, backend } = call;
    const { query, key, value, mask } = inputs;
    const y = backend.allocate(query.shape);
    if ([query, key].some((x) => x.shape.includes(0))) {
      (backend.values(y) as Float32Array).fill(0);
      return y;
    }
    if (!mask && attrs.rate === 0 && key.shape.length === 3 && query.shape[1] > 1) {
      flashAttention(backend, attrs, query, key, value, y);
      return y;
    }
    const variant = variantOf(call);
    eachChunk(call, (part, optional) => {
      const feeds = { query: part(query), key: part(key), value: part(value), ...optional };
      backend.sessions.run(keyOf('Attention', variant), () => forwardGraph(variant), feeds, { y: part(y) });
    });
    return y;
  });

  kernel<AttentionAttrs>('LavisAttentionGrad', (call) => {
    const { inputs, backend } = call;
    const { query, key, value, y, dy } = inputs;
    const grads = [query, key, value].map((x) => backend.allocate(x.shape));
    if ([query, key].some((x) => x.shape.includes(0))) {
      for (const grad of grads) (backend.values(grad) as Float32Array).fill(0);
      return grads;
    }
    const variant = variantOf(call);
    const [dquery, dkey, dvalue] = grads;
    eachChunk(call, (part, optional) => {
      const feeds = {
        query: part(query),
        key: part(key),
        value: part(value),
        y: part(y),
        dy: part(dy),
        ...optional,
      };
      const fetches = { dquery: part(dquery), dkey: part(dkey), dvalue: part(dvalue) };
      backend.sessions.run(keyOf('AttentionGrad', variant), () => backwardGraph(variant), feeds, fetches);
    });
    return grads;
  });
}

/** ONNX Runtime's blocked attention, which never holds all probabilities. */
function flashAttention(
  backend: OnnxBackend,
  { numHeads, scale }: AttentionAttrs,
  query: tf.TensorInfo,
  key: tf.TensorInfo,
  value: tf.TensorInfo,
  y: tf.TensorInfo,
): void {
  const spec = (): GraphSpec => ({
    inputs: { query: 'float32', key: 'float32', value: 'float32' },
    outputs: { y: 'float32' },
    nodes: [
      contrib('MultiHeadAttention', ['query', 'key', 'value'], 'y', {
        num_heads: numHeads,
        scale: float(scale),
      }),
    ],
  });
  const feeds = { query: backend.ort(query), key: backend.ort(key), value: backend.ort(value) };
  backend.sessions.run(`FlashAttention ${numHeads} ${scale}`, spec, feeds, { y: backend.ort(y) });
}

/**
 * Calls `run` for a few sequences at a time, with their part of each tensor as [b, T, H, d] or [b, H, T, d], and of the
 * optional inputs.
 */
function eachChunk(
  { inputs: { query, key, mask }, attrs, backend }: KernelCall<AttentionAttrs>,
  run: (part: (x: tf.TensorInfo) => OrtValue, optional: OrtValues) => void,
): void {
  const { numHeads, rate, seed } = attrs;
  const [batch, queries] = query.shape;
  const keys = key.shape.at(-2)!;
  const scores = numHeads * queries * keys;
  const kept = rate > 0 ? backend.pool.take(batch * scores * 4) : undefined;
  if (kept) fillDropoutMask(new Float32Array(kept), rate, seed);
  const step = Math.max(1, Math.floor(SCORE_BYTES / (scores * 4)));
  for (let start = 0; start < batch; start += step) {
    const count = Math.min(step, batch - start);
    const rows = (values: Float32Array, row: number, dims: number[]) =>
      ort(values.subarray(start * row, (start + count) * row), [count, ...dims]);
    const part = (x: tf.TensorInfo) => {
      const [, steps, width] = x.shape;
      if (x.shape.length === 4) {
        const row = x.shape.slice(1);
        return rows(backend.values(x) as Float32Array, tf.util.sizeFromShape(row), row);
      }
      return rows(backend.values(x) as Float32Array, steps * width, [steps, numHeads, width / numHeads]);
    };
    const optional: OrtValues = {};
    if (mask) optional.mask = maskPart(backend, mask, start, count);
    if (kept) optional.kept = rows(new Float32Array(kept), scores, [numHeads, queries, keys]);
    run(part, optional);
  }
  if (kept) backend.pool.give(kept);
}

function maskPart(backend: OnnxBackend, mask: tf.TensorInfo, start: number, count: number): OrtValue {
  const shape = [...Array(Math.max(0, 4 - mask.shape.length)).fill(1), ...mask.shape];
  const values = backend.values(mask);
  if (shape[0] === 1) return ort(values, shape);
  const row = shape[1] * shape[2] * shape[3];
  return ort(values.subarray(start * row, (start + count) * row), [count, ...shape.slice(1)]);
}
