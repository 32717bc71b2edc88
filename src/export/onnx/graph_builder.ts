import { convertFloat } from '../../common/host_tensor.js';
import {
  type Attributes,
  type GraphSpec,
  int8Columns,
  int8Scales,
  type Node,
  node,
  type StoredTensor,
  type tf,
} from '../../engine/index.js';
import type { LayerNorm, Linear } from '../../nn/index.js';

/** How weights are stored: float32; float16, computed with in float32; 8-bit integers, multiplied as such. */
export type OnnxDtype = 'fp32' | 'fp16' | 'q8';

/** The name of a value in a graph. */
export type Value = string;

/** A matrix whose products and rows a graph takes: [rows, columns] as the model has it. */
interface Matrix {
  name: string;
  variable: tf.Variable;
}

/**
 * A graph while it is written: each call adds a node and gives the name of its result. Weights are stored once,
 * outside all branches, and read when the file is written.
 */
export class GraphBuilder {
  readonly nodes: Node[] = [];
  readonly #tensors: Map<string, StoredTensor>;
  readonly #constants: Record<string, number | number[]>;
  readonly #main: GraphBuilder;
  /** Values that are quantized already, here or in the graph around. */
  readonly #quantized: Map<Value, [bytes: Value, scale: Value, zero: Value]>;
  readonly #names: { count: number };

  constructor(
    readonly dtype: OnnxDtype,
    around?: GraphBuilder,
  ) {
    this.#main = around ? around.#main : this;
    this.#tensors = around ? around.#tensors : new Map();
    this.#constants = around ? around.#constants : {};
    this.#names = around ? around.#names : { count: 0 };
    this.#quantized = new Map(around ? around.#quantized : []);
  }

  /** One operation with one result. */
  op(type: string, inputs: readonly Value[], attributes: Attributes = {}, output = this.#name(type)): Value {
    this.nodes.push(node(type, [...inputs], output, attributes));
    return output;
  }

  /** One operation with several results. */
  ops(type: string, inputs: readonly Value[], count: number, attributes: Attributes = {}): Value[] {
    const outputs = Array.from({ length: count }, () => this.#name(type));
    this.nodes.push(node(type, [...inputs], outputs, attributes));
    return outputs;
  }

  /** A number, or a vector of int64. */
  constant(value: number | number[]): Value {
    const name = Array.isArray(value) ? `i_${value.join('_')}` : `f_${value}`;
    this.#constants[name] = value;
    return name;
  }

  /** A float32 weight as it is. */
  weight(name: string, variable: tf.Variable, dims: readonly number[] = variable.shape): Value {
    this.#store({ name, dtype: 'float32', dims, read: () => variable.data() as Promise<Float32Array> });
    return name;
  }

  /** A float32 tensor without a number in it. */
  empty(dims: readonly number[]): Value {
    const name = `empty_${dims.join('_')}`;
    this.#store({ name, dtype: 'float32', dims, read: () => new Float32Array(0) });
    return name;
  }

  /** x Wᵀ + b. @param x [..., in] */
  linear(x: Value, name: string, { weight, bias }: Linear): Value {
    const product = this.#product(x, { name: `${name}.weight`, variable: weight });
    return this.op('Add', [product, this.weight(`${name}.bias`, bias)]);
  }

  layerNorm(x: Value, name: string, { weight, bias, eps }: LayerNorm, output?: Value): Value {
    const inputs = [x, this.weight(`${name}.weight`, weight), this.weight(`${name}.bias`, bias)];
    return this.op('LayerNormalization', inputs, { axis: -1, epsilon: { float: eps } }, output);
  }

  /** [B, T, heads · d] -> [B, heads, T, d] */
  heads(x: Value, heads: number, size: number): Value {
    return this.op('Transpose', [this.op('Reshape', [x, this.constant([0, 0, heads, size])])], {
      perm: [0, 2, 1, 3],
    });
  }

  /** softmax(q kᵀ / √d + mask) v, heads side by side again: [B, T, heads · d]. */
  attention(query: Value, key: Value, value: Value, size: number, mask?: Value): Value {
    const scaled = this.op('Mul', [query, this.constant(1 / Math.sqrt(size))]);
    const products = this.op('MatMul', [scaled, this.op('Transpose', [key], { perm: [0, 1, 3, 2] })]);
    const scores = mask ? this.op('Add', [products, mask]) : products;
    const seen = this.op('MatMul', [this.op('Softmax', [scores], { axis: -1 }), value]);
    return this.op('Reshape', [
      this.op('Transpose', [seen], { perm: [0, 2, 1, 3] }),
      this.constant([0, 0, -1]),
    ]);
  }

  /** Rows of a table. @param ids int64 [B, T]; gives [B, T, columns] */
  rows(ids: Value, table: Matrix): Value {
    if (this.dtype !== 'q8') return this.#asFloat(this.op('Gather', [this.#stored(table), ids], { axis: 0 }));
    // One table serves rows and products: words are its columns, each with a scale of its own.
    const { bytes, scales } = this.#int8(table);
    const columns = this.op('Transpose', [this.op('Gather', [bytes, ids], { axis: 1 })], { perm: [1, 2, 0] });
    const scale = this.op('Unsqueeze', [this.op('Gather', [scales, ids], { axis: 0 }), this.constant([-1])]);
    return this.op('Mul', [this.op('Cast', [columns], { to: FLOAT }), scale]);
  }

  /** x Wᵀ + b for a table that `rows` may read too. @param x [B, T, columns] @param columns of it */
  scores(x: Value, table: Matrix, bias: Value, output: Value): Value {
    if (this.dtype === 'q8') return this.op('Add', [this.#product(x, table), bias], {}, output);
    const [rows, columns] = table.variable.shape;
    const flat = this.op('Reshape', [x, this.constant([-1, columns])]);
    const weight = this.#asFloat(this.#stored(table));
    const products = this.op('Gemm', [flat, weight, bias], { transB: 1 });
    const shape = this.op('Concat', [this.size(x, 0), this.size(x, 1), this.constant([rows])], { axis: 0 });
    return this.op('Reshape', [products, shape], {}, output);
  }

  /** One size of a shape, int64 [1]. */
  size(x: Value, axis: number): Value {
    return this.op('Shape', [x], { start: axis, end: axis + 1 });
  }

  /**
   * A branch of an If: it sees all that is here and gives its results.
   * @param shapes of the results in their order: OpenVINO takes no If without them
   */
  branch(
    fill: (graph: GraphBuilder) => Record<string, Value>,
    shapes: readonly (readonly (number | string)[])[],
  ): GraphSpec {
    const inner = new GraphBuilder(this.dtype, this);
    const results = Object.keys(fill(inner));
    return {
      inputs: {},
      outputs: Object.fromEntries(results.map((name) => [name, 'float32' as const])),
      nodes: inner.nodes,
      shapes: Object.fromEntries(results.map((name, i) => [name, shapes[i]])),
    };
  }

  /** The graph, and its weights. */
  finish(ends: Pick<GraphSpec, 'inputs' | 'outputs' | 'shapes'>): [GraphSpec, StoredTensor[]] {
    return [{ ...ends, nodes: this.nodes, constants: this.#constants }, [...this.#tensors.values()]];
  }

  /** x Wᵀ. @param x [..., columns] */
  #product(x: Value, matrix: Matrix): Value {
    if (this.dtype !== 'q8') return this.op('MatMul', [x, this.#transposed(matrix)]);
    const [bytes, scale, zero] = this.#quantize(x);
    const weight = this.#int8(matrix);
    const sums = this.op('MatMulInteger', [bytes, weight.bytes, zero]);
    const scales = this.op('Mul', [scale, weight.scales]);
    return this.op('Mul', [this.op('Cast', [sums], { to: FLOAT }), scales]);
  }

  #quantize(x: Value) {
    const known = this.#quantized.get(x);
    if (known) return known;
    const made = this.ops('DynamicQuantizeLinear', [x], 3) as [Value, Value, Value];
    this.#quantized.set(x, made);
    return made;
  }

  /** A matrix as products take it: [columns, rows]. */
  #transposed({ name, variable }: Matrix): Value {
    const [rows, columns] = variable.shape;
    const read = async () => transpose((await variable.data()) as Float32Array, rows, columns);
    return this.#asFloat(this.#storeFloat(`${name}_t`, [columns, rows], read), `${name}_t_float`);
  }

  /** A matrix as it is. */
  #stored({ name, variable }: Matrix): Value {
    return this.#storeFloat(name, variable.shape, () => variable.data() as Promise<Float32Array>);
  }

  #storeFloat(name: string, dims: readonly number[], read: () => Promise<Float32Array>): Value {
    if (this.dtype !== 'fp16') this.#store({ name, dtype: 'float32', dims, read });
    else {
      const half = async () =>
        convertFloat({ dtype: 'float32', shape: [...dims], data: await read() }, 'float16').data;
      this.#store({ name, dtype: 'float16', dims, read: half });
    }
    return name;
  }

  /** What is stored as float16 in float32: outside all branches, so that it is done once. */
  #asFloat(value: Value, name?: string): Value {
    if (this.dtype !== 'fp16') return value;
    if (!name || !this.#tensors.has(value)) return this.op('Cast', [value], { to: FLOAT });
    if (!this.#main.nodes.some(({ outputs }) => outputs[0] === name)) {
      this.#main.op('Cast', [value], { to: FLOAT }, name);
    }
    return name;
  }

  /** 8-bit integers [columns, rows], and what each of its columns is multiplied with. */
  #int8({ name, variable }: Matrix): { bytes: Value; scales: Value } {
    const [rows, columns] = variable.shape;
    const values = async () => (await variable.data()) as Float32Array;
    const [bytes, scales] = [`${name}_int8`, `${name}_scale`];
    this.#store({
      name: bytes,
      dtype: 'int8',
      dims: [columns, rows],
      read: async () => int8Columns(await values(), rows, columns),
    });
    this.#store({
      name: scales,
      dtype: 'float32',
      dims: [rows],
      read: async () => int8Scales(await values(), rows, columns),
    });
    return { bytes, scales };
  }

  #store(tensor: StoredTensor): void {
    if (!this.#tensors.has(tensor.name)) this.#tensors.set(tensor.name, tensor);
  }

  #name(type: string): Value {
    return `${type.toLowerCase()}_${this.#names.count++}`;
  }
}

/** onnx.TensorProto.FLOAT */
const FLOAT = 1;

function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++)
      turned[column * rows + row] = values[row * columns + column];
  }
  return turned;
}
