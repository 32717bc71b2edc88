import type { AttentionAttrs } from '../../fused/attention.js';
import type { tf } from '../../tf.js';
import { type Dispatch, f32, type LavisWebGpuBackend, type Param, u32 } from '../backend.js';
import { filled, type KernelCall, kernel, sizeOf } from '../kernels.js';
import { bindings, DROPOUT, groupsOf, main } from '../wgsl.js';
import { DROPOUT_FIELDS, dropoutParams } from './dropout.js';

/** Threads of a workgroup: each has a query of its own, or a key of its own in the backward pass. */
const ROWS = 64;
/** Floats of one side that a workgroup shares at a time. */
const TILE_FLOATS = 1024;

type Rows = 'queries' | 'keys';

/** What a shader's code depends on. */
interface Variant {
  /** Width of a head. */
  width: number;
  masked: boolean;
  dropped: boolean;
  /** Keys and values come with their heads split: [B, H, Tk, d]. */
  split: boolean;
}

/**
 * Attention without ever holding all probabilities: a running maximum and sum over tiles of keys. Numbers
 * are read by fours where a head's width allows. Source: arXiv:2205.14135.
 */
class Shader {
  readonly four: boolean;
  /** Elements of a head, by fours if so. */
  readonly parts: number;
  readonly type: string;
  readonly tile: number;

  constructor(readonly variant: Variant) {
    const { width } = variant;
    this.four = width % 4 === 0;
    this.parts = this.four ? width / 4 : width;
    this.type = this.four ? 'vec4<f32>' : 'f32';
    this.tile = Math.max(1, Math.min(32, Math.floor(TILE_FLOATS / width)));
  }

  bindings(inputs: readonly string[], outputs: readonly (readonly [name: string, type: string])[]): string {
    const { masked, dropped, split } = this.variant;
    return `${bindings(
      [
        ...inputs.map((name) => [name, 'read', this.type] as const),
        ...(masked ? [['mask', 'read', 'f32'] as const] : []),
        ...outputs.map(([name, type]) => [name, 'read_write', type] as const),
      ],
      { ...FIELDS, ...(masked ? MASK_FIELDS : {}), ...(dropped ? DROPOUT_FIELDS : {}) },
    )}
const PARTS = ${this.parts}u;
const TILE = ${this.tile}u;
alias V = ${this.type};
fn inner(a: V, b: V) -> f32 { return ${this.four ? 'dot(a, b)' : 'a * b'}; }
${dropped ? DROPOUT : ''}
fn head_of(row: u32, rows: u32, b: u32, h: u32) -> u32 { return (b * rows + row) * p.width + h * PARTS; }
fn query_at(row: u32, b: u32, h: u32) -> u32 { return head_of(row, p.queries, b, h); }
fn key_at(row: u32, b: u32, h: u32) -> u32 {
  return ${split ? '((b * p.heads + h) * p.keys + row) * PARTS' : 'head_of(row, p.keys, b, h)'};
}`;
  }

  /** Where workgroup and thread are; every workgroup has a block of rows of one head. */
  place(rows: Rows): string {
    return `
  let blocks = (p.${rows} + ${ROWS - 1}u) / ${ROWS}u;
  if (group >= p.batch * p.heads * blocks) { return; }
  let b = group / blocks / p.heads;
  let h = group / blocks % p.heads;
  let row = group % blocks * ${ROWS}u + lane;
  let live = row < p.${rows};
  let own = ${placeOf(rows)}(min(row, p.${rows} - 1u), b, h);`;
  }

  /** The score of query `q` and key `k`, of which `product` is the dot product. */
  score(product: string, q: string, k: string): string {
    const { masked } = this.variant;
    return masked
      ? `(${product} * p.scale + mask[b * p.mask_b + h * p.mask_h + ${q} * p.mask_q + ${k} * p.mask_k])`
      : `(${product} * p.scale)`;
  }

  /** What dropout leaves of a probability. */
  kept(q: string, k: string): string {
    return this.variant.dropped ? `kept(((b * p.heads + h) * p.queries + ${q}) * p.keys + ${k})` : '1.0';
  }

  /** Runs `body` for every key, the `j`th of a shared tile from `first` on, with its `score` for query `q`. */
  eachScore(shared: Record<string, string>, body: string): string {
    return `
  for (var first = 0u; first < p.keys; first += TILE) {
    ${this.share(shared, 'keys')}
    for (var j = 0u; j < count; j++) {
      var product = 0.0;
      ${eachPart('product += inner(q[c], keys[j * PARTS + c]);')}
      let score = ${this.score('product', 'row', '(first + j)')};
      ${body}
    }
  }`;
  }

  /** Shares a tile of rows of each tensor, from row `first` on. */
  share(from: Record<string, string>, rows: Rows, extra = ''): string {
    const lines = Object.entries(from).map(([to, source]) => `${to}[i] = ${source}[at];`);
    return `
    workgroupBarrier();
    for (var i = lane; i < TILE * PARTS; i += ${ROWS}u) {
      let shared_row = first + i / PARTS;
      if (shared_row < p.${rows}) {
        let at = ${placeOf(rows)}(shared_row, b, h) + i % PARTS;
        ${lines.join(' ')}
      }
    }
    ${extra}
    workgroupBarrier();
    let count = min(TILE, p.${rows} - first);`;
  }
}

const placeOf = (rows: Rows) => (rows === 'keys' ? 'key_at' : 'query_at');

const FIELDS = {
  batch: 'u32',
  heads: 'u32',
  queries: 'u32',
  keys: 'u32',
  width: 'u32',
  scale: 'f32',
} as const;
const MASK_FIELDS = { mask_b: 'u32', mask_h: 'u32', mask_q: 'u32', mask_k: 'u32' } as const;

const eachPart = (line: string) => `for (var c = 0u; c < PARTS; c++) { ${line} }`;

function forward(variant: Variant): string {
  const shader = new Shader(variant);
  return `
${shader.bindings(['query', 'key', 'value'], [['y', shader.type]])}
var<workgroup> keys: array<V, ${shader.tile * shader.parts}>;
var<workgroup> values: array<V, ${shader.tile * shader.parts}>;
${main(
  ROWS,
  `${shader.place('queries')}
  var q: array<V, PARTS>;
  var sum: array<V, PARTS>;
  ${eachPart('q[c] = query[own + c];')}
  var largest = -3.402823e38;
  var total = 0.0;
  ${shader.eachScore(
    { keys: 'key', values: 'value' },
    `if (score > largest) {
        let shrink = exp(largest - score);
        total *= shrink;
        ${eachPart('sum[c] *= shrink;')}
        largest = score;
      }
      let e = exp(score - largest);
      total += e;
      let weight = e * ${shader.kept('row', '(first + j)')};
      ${eachPart('sum[c] += weight * values[j * PARTS + c];')}`,
  )}
  if (live) { ${eachPart('y[own + c] = sum[c] / total;')} }`,
)}`;
}

/** The gradient of the queries; leaves log(sum(exp(scores))) and sum(y * dy) of each for the keys' pass. */
function queryGradient(variant: Variant): string {
  const shader = new Shader(variant);
  return `
${shader.bindings(
  ['query', 'key', 'value', 'y', 'dy'],
  [
    ['dquery', shader.type],
    ['stats', 'vec2<f32>'],
  ],
)}
var<workgroup> keys: array<V, ${shader.tile * shader.parts}>;
var<workgroup> values: array<V, ${shader.tile * shader.parts}>;
${main(
  ROWS,
  `${shader.place('queries')}
  var q: array<V, PARTS>;
  var d: array<V, PARTS>;
  var along = 0.0;
  ${eachPart('q[c] = query[own + c]; d[c] = dy[own + c]; along += inner(y[own + c], dy[own + c]);')}
  var largest = -3.402823e38;
  var total = 0.0;
  ${shader.eachScore(
    { keys: 'key' },
    `if (score > largest) {
        total *= exp(largest - score);
        largest = score;
      }
      total += exp(score - largest);`,
  )}
  let shift = largest + log(total);
  if (live) { stats[(b * p.heads + h) * p.queries + row] = vec2<f32>(shift, along); }
  var sum: array<V, PARTS>;
  for (var first = 0u; first < p.keys; first += TILE) {
    ${shader.share({ keys: 'key', values: 'value' }, 'keys')}
    for (var j = 0u; j < count; j++) {
      var product = 0.0;
      var dp = 0.0;
      ${eachPart('product += inner(q[c], keys[j * PARTS + c]); dp += inner(d[c], values[j * PARTS + c]);')}
      let probability = exp(${shader.score('product', 'row', '(first + j)')} - shift);
      let ds = probability * (dp * ${shader.kept('row', '(first + j)')} - along) * p.scale;
      ${eachPart('sum[c] += ds * keys[j * PARTS + c];')}
    }
  }
  if (live) { ${eachPart('dquery[own + c] = sum[c];')} }`,
)}`;
}

function keyGradient(variant: Variant): string {
  const shader = new Shader(variant);
  return `
${shader.bindings(
  ['query', 'key', 'value', 'dy'],
  [
    ['stats', 'vec2<f32>'],
    ['dkey', shader.type],
    ['dvalue', shader.type],
  ],
)}
var<workgroup> queries: array<V, ${shader.tile * shader.parts}>;
var<workgroup> dys: array<V, ${shader.tile * shader.parts}>;
var<workgroup> shared_stats: array<vec2<f32>, ${shader.tile}>;
${main(
  ROWS,
  `${shader.place('keys')}
  var k: array<V, PARTS>;
  var v: array<V, PARTS>;
  var dk: array<V, PARTS>;
  var dv: array<V, PARTS>;
  ${eachPart('k[c] = key[own + c]; v[c] = value[own + c];')}
  for (var first = 0u; first < p.queries; first += TILE) {
    ${shader.share(
      { queries: 'query', dys: 'dy' },
      'queries',
      `if (lane < TILE && first + lane < p.queries) {
      shared_stats[lane] = stats[(b * p.heads + h) * p.queries + first + lane];
    }`,
    )}
    for (var j = 0u; j < count; j++) {
      var product = 0.0;
      var dp = 0.0;
      ${eachPart('product += inner(queries[j * PARTS + c], k[c]); dp += inner(dys[j * PARTS + c], v[c]);')}
      let probability = exp(${shader.score('product', '(first + j)', 'row')} - shared_stats[j].x);
      let left = ${shader.kept('(first + j)', 'row')};
      let ds = probability * (dp * left - shared_stats[j].y) * p.scale;
      let weight = probability * left;
      ${eachPart('dk[c] += ds * queries[j * PARTS + c]; dv[c] += weight * dys[j * PARTS + c];')}
    }
  }
  if (live) { ${eachPart('dkey[own + c] = dk[c]; dvalue[own + c] = dv[c];')} }`,
)}`;
}

export function registerAttention(): void {
  kernel<AttentionAttrs>('LavisAttention', (call) => {
    const { query, key, value } = call.inputs;
    if (sizeOf(query) === 0 || sizeOf(key) === 0) return zeros(call.backend, query);
    const y = call.backend.allocate(query.shape);
    dispatch(call, 'attention', forward, [query, key, value], [y], query.shape[1]);
    return y;
  });

  kernel<AttentionAttrs>('LavisAttentionGrad', (call) => {
    const { backend, attrs } = call;
    const { query, key, value, y, dy } = call.inputs;
    if (sizeOf(query) === 0 || sizeOf(key) === 0) return [query, key, value].map((x) => zeros(backend, x));
    const [dquery, dkey, dvalue] = [query, key, value].map((x) => backend.allocate(x.shape));
    const [batch, queries] = query.shape;
    const stats = backend.allocate([batch, attrs.numHeads, queries, 2]);
    const inputs = [query, key, value, y, dy];
    dispatch(call, 'attention query gradient', queryGradient, inputs, [dquery, stats], queries);
    const results = [stats, dkey, dvalue];
    dispatch(
      call,
      'attention key gradient',
      keyGradient,
      [query, key, value, dy],
      results,
      key.shape.at(-2)!,
    );
    backend.disposeData(stats.dataId);
    return [dquery, dkey, dvalue];
  });
}

const zeros = (backend: LavisWebGpuBackend, like: tf.TensorInfo) => filled(backend, like.shape, 0, 'float32');

/** Runs a shader over blocks of `rows` rows of each head. */
function dispatch(
  { inputs, attrs, backend }: KernelCall<AttentionAttrs>,
  name: string,
  code: (variant: Variant) => string,
  reads: tf.TensorInfo[],
  writes: tf.TensorInfo[],
  rows: number,
): void {
  const { query, key, mask } = inputs;
  const { numHeads, scale, rate, seed } = attrs;
  const [batch, queries, wide] = query.shape;
  const keys = key.shape.at(-2)!;
  const split = key.shape.length === 4;
  const variant = { width: wide / numHeads, masked: mask !== undefined, dropped: rate > 0, split };
  const four = variant.width % 4 === 0;
  const params: Param[] = [batch, numHeads, queries, keys, four ? wide / 4 : wide].map(u32);
  params.push(f32(scale));
  if (mask) params.push(...maskStrides(mask).map(u32));
  if (rate > 0) params.push(...dropoutParams(rate, seed));
  const call: Dispatch = {
    key: `${name} ${variant.width} ${variant.masked} ${variant.dropped} ${split}`,
    code: () => code(variant),
    tensors: [...reads, ...(mask ? [mask] : []), ...writes],
    params,
    workgroups: batch * numHeads * groupsOf(rows, ROWS),
  };
  backend.run(call);
}

/** Steps of the mask along batch, head, query and key; 0 where it is the same for all. */
function maskStrides(mask: tf.TensorInfo): number[] {
  const shape = [...Array(Math.max(0, 4 - mask.shape.length)).fill(1), ...mask.shape] as number[];
  let step = 1;
  const strides = shape.toReversed().map((size) => {
    const stride = size === 1 ? 0 : step;
    step *= size;
    return stride;
  });
  return strides.reverse();
}
