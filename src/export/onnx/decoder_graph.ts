import type { GraphSpec, StoredTensor } from '../../engine/index.js';
import { CAUSAL_MASK, type TextDecoder } from '../../models/index.js';
import { GraphBuilder, type OnnxDtype, type Value } from './graph_builder.js';

type Layer = TextDecoder['bert']['encoder']['layers'][number];

/** Keys and values by their name in the file: `past_key_values.0.decoder.key`, say. */
const kept = (when: 'past_key_values' | 'present', layer: number, whose: 'decoder' | 'encoder') =>
  (['key', 'value'] as const).map((part) => `${when}.${layer}.${whose}.${part}`) as [Value, Value];

/**
 * The text decoder with its cache. `input_ids` [B, T] stand behind the P words whose keys and values come in; `logits`
 * [B, T, V] and the keys and values of all P + T words go out. Without `use_cache_branch` the keys and values of the
 * image are made from `encoder_hidden_states`; with it those that come in are used, and empty ones go out in their
 * place. The layout is the one that transformers.js and optimum know as a merged decoder.
 */
export function decoderGraph(decoder: TextDecoder, dtype: OnnxDtype): [GraphSpec, StoredTensor[]] {
  const { heads, hiddenSize, encoderWidth, vocabSize, layers: depth } = decoder.config;
  const size = hiddenSize / heads;
  const g = new GraphBuilder(dtype);
  const { embeddings, encoder } = decoder.bert;
  const words = { name: 'word_embeddings', variable: embeddings.wordEmbeddings.weight };

  const past = g.size(kept('past_key_values', 0, 'decoder')[0], 2); // P
  const end = g.op('Add', [past, g.size('input_ids', 1)]); // P + T
  const table = g.weight('position_embeddings', embeddings.positionEmbeddings.weight);
  const positions = g.op('Slice', [table, past, end, g.constant([0])]); // [T, D]
  const embedded = g.op('Add', [g.rows('input_ids', words), positions]);
  let x = g.layerNorm(embedded, 'embeddings.LayerNorm', embeddings.layerNorm); // [B, T, D]
  const mask = causalMask(g, past, end);
  encoder.layers.forEach((layer, i) => {
    x = layerGraph(g, layer, i, x, mask);
  });

  const { transform, decoder: output, bias } = decoder.cls.predictions;
  const made = g.op('Gelu', [g.linear(x, 'head.dense', transform.dense)]);
  const normed = g.layerNorm(made, 'head.LayerNorm', transform.layerNorm);
  const tied = output.weight === words.variable;
  const head = tied ? words : { name: 'head.decoder', variable: output.weight };
  g.scores(normed, head, g.weight('head.bias', bias), 'logits');

  const layers = Array.from({ length: depth }, (_, i) => i);
  const named = (when: 'past_key_values' | 'present', whose: 'decoder' | 'encoder') =>
    layers.flatMap((i) => kept(when, i, whose));
  const floats = (names: readonly string[]) =>
    Object.fromEntries(names.map((name) => [name, 'float32' as const]));
  const shaped = (names: readonly string[], length: string) =>
    Object.fromEntries(names.map((name) => [name, ['batch_size', heads, length, size]]));
  return g.finish({
    inputs: {
      input_ids: 'int64',
      encoder_hidden_states: 'float32',
      use_cache_branch: 'bool',
      ...floats([...named('past_key_values', 'decoder'), ...named('past_key_values', 'encoder')]),
    },
    outputs: {
      logits: 'float32',
      ...floats([...named('present', 'decoder'), ...named('present', 'encoder')]),
    },
    shapes: {
      input_ids: ['batch_size', 'sequence_length'],
      encoder_hidden_states: ['batch_size', 'encoder_sequence_length', encoderWidth],
      use_cache_branch: [1],
      logits: ['batch_size', 'sequence_length', vocabSize],
      ...shaped(named('past_key_values', 'decoder'), 'past_sequence_length'),
      ...shaped(named('past_key_values', 'encoder'), 'encoder_sequence_length_of_past'),
      ...shaped(named('present', 'decoder'), 'total_sequence_length'),
      ...shaped(named('present', 'encoder'), 'encoder_sequence_length_out'),
    },
  });

  function layerGraph(graph: GraphBuilder, layer: Layer, i: number, input: Value, causal: Value): Value {
    const name = `layer.${i}`;
    const { self, output: attended } = layer.attention;
    const split = (
      inner: GraphBuilder,
      states: Value,
      part: 'query' | 'key' | 'value',
      from: typeof self,
      at: string,
    ) => inner.heads(inner.linear(states, `${at}.${part}`, from[part]), heads, size);

    const [pastKey, pastValue] = kept('past_key_values', i, 'decoder');
    const [presentKey, presentValue] = kept('present', i, 'decoder');
    const at = `${name}.attention`;
    const query = split(graph, input, 'query', self, at);
    const key = graph.op('Concat', [pastKey, split(graph, input, 'key', self, at)], { axis: 2 }, presentKey);
    const value = graph.op(
      'Concat',
      [pastValue, split(graph, input, 'value', self, at)],
      { axis: 2 },
      presentValue,
    );
    const seen = graph.linear(
      graph.attention(query, key, value, size, causal),
      `${at}.output`,
      attended.dense,
    );
    const grounded = graph.layerNorm(graph.op('Add', [seen, input]), `${at}.LayerNorm`, attended.layerNorm);

    const cross = layer.crossattention;
    const beside = `${name}.crossattention`;
    const asking = split(graph, grounded, 'query', cross.self, beside);
    const looked = crossAttention(graph, i, asking, (inner) => [
      split(inner, 'encoder_hidden_states', 'key', cross.self, beside),
      split(inner, 'encoder_hidden_states', 'value', cross.self, beside),
    ]);
    const told = graph.linear(looked, `${beside}.output`, cross.output.dense);
    const both = graph.layerNorm(
      graph.op('Add', [told, grounded]),
      `${beside}.LayerNorm`,
      cross.output.layerNorm,
    );

    const inner = graph.op('Gelu', [graph.linear(both, `${name}.intermediate`, layer.intermediate.dense)]);
    const fed = graph.linear(inner, `${name}.output`, layer.output.dense);
    return graph.layerNorm(graph.op('Add', [fed, both]), `${name}.LayerNorm`, layer.output.layerNorm);
  }

  /** Attention to the image, whose keys and values are made in the first step and come in later. */
  function crossAttention(
    graph: GraphBuilder,
    i: number,
    query: Value,
    project: (inner: GraphBuilder) => [Value, Value],
  ): Value {
    const [pastKey, pastValue] = kept('past_key_values', i, 'encoder');
    const [presentKey, presentValue] = kept('present', i, 'encoder');
    const attended = `cross_${i}`;
    const results = (inner: GraphBuilder, branch: string, values: readonly [Value, Value, Value]) =>
      Object.fromEntries(
        values.map((value, n) => [inner.op('Identity', [value], {}, `${branch}_${i}_${n}`), value]),
      );
    const emptyShape = [0, heads, 'encoder_sequence_length_of_past', size];
    const attendedShape = ['batch_size', 'sequence_length', hiddenSize];
    const cached = graph.branch(
      (inner) => {
        // Not a constant: OpenVINO takes one without numbers for a scalar.
        const none = inner.constant([0]);
        const nothing = inner.op('Slice', [pastKey, none, none, none]);
        return results(inner, 'cached', [inner.attention(query, pastKey, pastValue, size), nothing, nothing]);
      },
      [attendedShape, emptyShape, emptyShape],
    );
    const ofImage = ['batch_size', heads, 'encoder_sequence_length', size];
    const fresh = graph.branch(
      (inner) => {
        const [key, value] = project(inner);
        return results(inner, 'fresh', [inner.attention(query, key, value, size), key, value]);
      },
      [attendedShape, ofImage, ofImage],
    );
    graph.nodes.push({
      op: 'If',
      inputs: ['use_cache_branch'],
      outputs: [attended, presentKey, presentValue],
      attributes: { then_branch: cached, else_branch: fresh },
    });
    return attended;
  }
}

/** [T, P + T]: 0 where a word may look, at itself and those before it. */
function causalMask(g: GraphBuilder, past: Value, end: Value): Value {
  const scalar = (x: Value) => g.op('Squeeze', [x]);
  const [from, to] = [scalar(past), scalar(end)];
  const [zero, one] = [scalar(g.constant([0])), scalar(g.constant([1]))];
  const keys = g.op('Range', [zero, to, one]); // [P + T]
  const queries = g.op('Unsqueeze', [g.op('Range', [from, to, one]), g.constant([1])]); // [T, 1]
  const later = g.op('Greater', [keys, queries]);
  return g.op('Where', [later, g.constant(CAUSAL_MASK), g.constant(0)]);
}
