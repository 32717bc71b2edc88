import type { AttentionPartAttrs } from '../../fused/post_norm.js';
import { tf } from '../../tf.js';
import type { OnnxBackend } from '../backend.js';
import { contrib, type ElementType, float, type GraphSpec, type Node, node } from '../messages.js';
import { type KernelCall, kernel } from '../override.js';
import { int64, type OrtValues } from '../sessions.js';
import { variantOf } from './attention.js';
import {
  attentionConstants,
  attentionNodes,
  keyOf,
  optionalInputs,
  type Variant,
} from './attention_graphs.js';
import { biasFor, isHandful, linearNodes } from './linear.js';

export function registerPostNorm(): void {
  kernel<AttentionPartAttrs>('LavisAttentionPart', attentionPart);
  kernel<{ eps: number }>('LavisFeedForwardPart', feedForwardPart);
  kernel('LavisRememberedPart', rememberedPart);
}

const floats = (...names: string[]): Record<string, ElementType> =>
  Object.fromEntries(names.map((name) => [name, 'float32']));

/** The names of a linear's weights among the inputs. */
const weightsOf = (name: string) => [`${name}Weight`, `${name}Bias`] as const;

/** y = layerNorm(z + x), all [rows, D] */
const addAndNormalize = (z: string, eps: number): Node[] => [
  node('Add', [z, 'x'], 'sum'),
  node('LayerNormalization', ['sum', ...weightsOf('norm')], 'y', { axis: -1, epsilon: float(eps) }),
];

const attentionPartGraph = (variant: Variant, width: number, eps: number, handful: boolean): GraphSpec => ({
  inputs: {
    ...floats('x', 'key', 'value', ...['query', 'output', 'norm'].flatMap(weightsOf)),
    ...optionalInputs(variant),
    heads: 'int64', // [B, T, H, d]
  },
  outputs: floats('y'),
  nodes: [
    ...linearNodes('x', ...weightsOf('query'), 'queries', handful),
    node('Reshape', ['queries', 'heads'], 'query'),
    ...attentionNodes(variant, 'attended'),
    node('Reshape', ['attended', 'rows'], 'merged'),
    ...linearNodes('merged', ...weightsOf('output'), 'z', handful),
    ...addAndNormalize('z', eps),
  ],
  constants: { rows: [-1, width], ...attentionConstants(variant) },
});

/** Of a handful of rows the intermediate values stay turned: one product makes columns, the next takes them. */
const feedForwardGraph = (eps: number, handful: boolean): GraphSpec => ({
  inputs: floats('x', ...['intermediate', 'output', 'norm'].flatMap(weightsOf)),
  outputs: floats('y'),
  nodes: [
    ...(handful
      ? [
          node('Gemm', ['intermediateWeight', 'x', 'intermediateBias'], 'columns', { transB: 1 }),
          contrib('Gelu', 'columns', 'active'),
          node('Gemm', ['outputWeight', 'active', 'outputBias'], 'z_columns'),
          node('Transpose', 'z_columns', 'z', { perm: [1, 0] }),
        ]
      : [
          ...linearNodes('x', ...weightsOf('intermediate'), 'wide', false),
          contrib('Gelu', 'wide', 'active'),
          ...linearNodes('active', ...weightsOf('output'), 'z', false),
        ]),
    ...addAndNormalize('z', eps),
  ],
});

const rememberedGraph = (handful: boolean): GraphSpec => ({
  inputs: {
    ...floats('x', 'pastKey', 'pastValue', ...['key', 'value'].flatMap(weightsOf)),
    tokens: 'int64', // [B, T, D]
  },
  outputs: floats('keys', 'values'),
  nodes: [
    ...linearNodes('x', ...weightsOf('key'), 'key_rows', handful),
    ...linearNodes('x', ...weightsOf('value'), 'value_rows', handful),
    node('Reshape', ['key_rows', 'tokens'], 'key'),
    node('Reshape', ['value_rows', 'tokens'], 'value'),
    node('Concat', ['pastKey', 'key'], 'keys', { axis: 1 }),
    node('Concat', ['pastValue', 'value'], 'values', { axis: 1 }),
  ],
});

/** [B, T, D] as rows. */
function rowsOf(backend: OnnxBackend, x: tf.TensorInfo) {
  const width = x.shape.at(-1)!;
  const rows = tf.util.sizeFromShape(x.shape) / width;
  return { width, handful: isHandful(rows), feed: backend.ort(x, [rows, width]) };
}

/** The weights of linears, and of the normalization where it is named. */
function weightFeeds(
  { backend, inputs }: KernelCall<unknown>,
  handful: boolean,
  ...names: string[]
): OrtValues {
  const entries = names.flatMap((name) => {
    const [weight, bias] = weightsOf(name);
    const shift = backend.ort(inputs[bias]);
    return [
      [weight, backend.ort(inputs[weight])],
      [bias, name === 'norm' ? shift : biasFor(handful, shift)],
    ] as const;
  });
  return Object.fromEntries(entries);
}

function attentionPart(call: KernelCall<AttentionPartAttrs>) {
  const { inputs, backend } = call;
  const { x, key, value, mask } = inputs;
  const { numHeads, eps } = call.attrs;
  const { width, handful, feed } = rowsOf(backend, x);
  const depth = width / numHeads;
  const variant = variantOf({ query: x, key, mask }, { scale: 1 / Math.sqrt(depth), rate: 0 });
  const heads = (info: tf.TensorInfo) =>
    variant.split ? backend.ort(info) : backend.ort(info, [...info.shape.slice(0, -1), numHeads, depth]);
  const feeds = {
    x: feed,
    key: heads(key),
    value: heads(value),
    ...(mask && { mask: backend.ort(mask) }),
    ...weightFeeds(call, handful, 'query', 'output', 'norm'),
    heads: int64([...x.shape.slice(0, -1), numHeads, depth]),
  };
  const y = backend.allocate(x.shape);
  backend.sessions.run(
    `${keyOf('AttentionPart', variant)} ${width} ${eps} ${handful}`,
    () => attentionPartGraph(variant, width, eps, handful),
    feeds,
    { y: backend.ort(y, feed.dims) },
  );
  return y;
}

function feedForwardPart(call: KernelCall<{ eps: number }>) {
  const { inputs, attrs, backend } = call;
  const { handful, feed } = rowsOf(backend, inputs.x);
  const feeds = { x: feed, ...weightFeeds(call, handful, 'intermediate', 'output', 'norm') };
  const y = backend.allocate(inputs.x.shape);
  backend.sessions.run(
    `FeedForwardPart ${attrs.eps} ${handful}`,
    () => feedForwardGraph(attrs.eps, handful),
    feeds,
    { y: backend.ort(y, feed.dims) },
  );
  return y;
}

function rememberedPart(call: KernelCall<unknown>) {
  const { inputs, backend } = call;
  const { x, pastKey, pastValue } = inputs;
  const { handful, feed } = rowsOf(backend, x);
  const [keys, values] = [pastKey, pastValue].map(({ shape: [batch, past, width] }) =>
    backend.allocate([batch, past + x.shape[1], width]),
  );
  const feeds = {
    x: feed,
    pastKey: backend.ort(pastKey),
    pastValue: backend.ort(pastValue),
    ...weightFeeds(call, handful, 'key', 'value'),
    tokens: int64([...x.shape.slice(0, -1), keys.shape[2]]),
  };
  backend.sessions.run(`RememberedPart ${handful}`, () => rememberedGraph(handful), feeds, {
    keys: backend.ort(keys),
    values: backend.ort(values),
  });
  return [keys, values];
}
