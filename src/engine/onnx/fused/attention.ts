import type { AttentionAttrs } from '../../fused/attention.js';
import { applyDropout } from '../../fused/dropout.js';
import { tf } from '../../tf.js';
import type { OnnxBackend } from '../backend.js';
import type { GraphSpec } from '../messages.js';
import { type KernelCall, kernel } from '../override.js';
import { type OrtValue, type OrtValues, ort } from '../sessions.js';
import {
  backwardGraph,
  byHeadsGraph,
  flashGraph,
  forwardGraph,
  keyOf,
  swapHeads,
  type Variant,
  widenedGraph,
} from './attention_graphs.js';

/** Bytes of scores worked on at a time: more would leave the cache. */
const SCORE_BYTES = 1 << 24;

/** Bytes of scores per thread that the gradient works on at a time. */
const HEAD_BYTES = 3 << 20;

/** From so many scores per head on, the gradient works head by head. */
const MANY_SCORES = 1 << 16;

/** Up to so many queries, a product for each is faster than one for all: 3 take 0.75 ms in place of 0.90, 8 more. */
const FEW_QUERIES = 4;

export const variantOf = (
  { query, key, mask }: KernelCall<unknown>['inputs'],
  { rate, scale }: Pick<AttentionAttrs, 'rate' | 'scale'>,
): Variant => ({
  masked: mask !== undefined,
  dropped: rate > 0,
  split: key.shape.length === 4,
  few: query.shape[1] <= FEW_QUERIES,
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
    const plain = !mask && attrs.rate === 0 && key.shape.length === 3;
    if (plain && query.shape[1] > 1) {
      flashAttention(backend, attrs, query, key, value, y);
      return y;
    }
    const variant = variantOf(inputs, attrs);
    eachChunk(call, (part, optional) => {
      const feeds = { query: part(query), key: part(key), value: part(value), ...optional };
      backend.sessions.run(keyOf('Attention', variant), () => forwardGraph(variant), feeds, { y: part(y) });
    });
    return y;
  });

  kernel<AttentionAttrs>('LavisAttentionGrad', (call) => {
    const { inputs, attrs, backend } = call;
    const { query, key, value, mask, y, dy } = inputs;
    const grads = [query, key, value].map((x) => backend.allocate(x.shape));
    if ([query, key].some((x) => x.shape.includes(0))) {
      for (const grad of grads) (backend.values(grad) as Float32Array).fill(0);
      return grads;
    }
    const variant = variantOf(inputs, attrs);
    const [dquery, dkey, dvalue] = grads;
    const plain = !mask && attrs.rate === 0 && key.shape.length === 3;
    if (plain && query.shape[1] * key.shape[1] >= MANY_SCORES) {
      gradientByHeads(call, grads);
      return grads;
    }
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

/**
 * The gradient with the heads brought together first, then a few heads at a time: their scores stay in the
 * threads' caches.
 */
function gradientByHeads(
  { inputs, attrs, backend }: KernelCall<AttentionAttrs>,
  grads: tf.TensorInfo[],
): void {
  const { numHeads, scale } = attrs;
  const { query, key, value, y, dy } = inputs;
  const [batch, queries, width] = query.shape;
  const keys = key.shape[1];
  const depth = width / numHeads;
  const total = batch * numHeads;
  const allocated: tf.TensorInfo[] = [];
  const room = (steps: number, columns: number) => {
    const info = backend.allocate([total, steps, columns]);
    allocated.push(info);
    return info;
  };
  const [q, dO, dq] = [0, 0, 0].map(() => room(queries, depth));
  const [k, dk, dv] = [0, 0, 0].map(() => room(keys, depth));
  const [vOne, dOAlong, ones] = [room(keys, depth + 1), room(queries, depth + 1), room(keys, 1)];
  (backend.values(ones) as Float32Array).fill(1);
  const split = (x: tf.TensorInfo) => backend.ort(x, [batch, x.shape[1], numHeads, depth]);
  const byHead = (x: tf.TensorInfo) => backend.ort(x, [batch, numHeads, ...x.shape.slice(1)]);
  swapAxes(backend, split(query), byHead(q));
  swapAxes(backend, split(key), byHead(k));
  backend.sessions.run(
    'AttentionWidened',
    widenedGraph,
    { value: split(value), ones: byHead(ones), y: split(y), dy: split(dy) },
    { v_one: byHead(vOne), do: byHead(dO), do_along: byHead(dOAlong) },
  );
  const step = headsAtATime(queries * keys * 4, backend.sessions.threads);
  for (let start = 0; start < total; start += step) {
    const count = Math.min(step, total - start);
    const part = (x: tf.TensorInfo) => {
      const [, steps, columns] = x.shape;
      const row = steps * columns;
      const values = backend.values(x) as Float32Array;
      return ort(values.subarray(start * row, (start + count) * row), [count, steps, columns]);
    };
    const feeds = { q: part(q), k: part(k), v_one: part(vOne), do: part(dO), do_along: part(dOAlong) };
    const fetches = { dq: part(dq), dk: part(dk), dv: part(dv) };
    backend.sessions.run(`AttentionGradByHeads ${scale}`, () => byHeadsGraph(scale), feeds, fetches);
  }
  [dq, dk, dv].forEach((x, i) => {
    swapAxes(backend, byHead(x), split(grads[i]));
  });
  for (const x of allocated) backend.disposeIntermediateTensorInfo(x);
}

/** As many as stay in the cache, the same number for each thread. */
function headsAtATime(bytes: number, threads: number): number {
  const heads = Math.floor((HEAD_BYTES * threads) / bytes);
  return heads > threads ? heads - (heads % threads) : Math.max(1, heads);
}

/** [b, T, H, d] -> [b, H, T, d], or back. */
function swapAxes(backend: OnnxBackend, from: OrtValue, to: OrtValue): void {
  const spec = (): GraphSpec => ({
    inputs: { x: 'float32' },
    outputs: { y: 'float32' },
    nodes: [swapHeads('x', 'y')],
  });
  backend.sessions.run('Transpose float32 0,2,1,3', spec, { x: from }, { y: to });
}

function flashAttention(
  backend: OnnxBackend,
  { numHeads, scale }: AttentionAttrs,
  query: tf.TensorInfo,
  key: tf.TensorInfo,
  value: tf.TensorInfo,
  y: tf.TensorInfo,
): void {
  const spec = () => flashGraph(numHeads, scale);
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
  if (kept) applyDropout(new Float32Array(kept), rate, seed);
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
