/** ONNX models as bytes: just the messages that our graphs need. Source: onnx.proto (ONNX 1.17). */
import protobuf from 'protobufjs';

const SCHEMA = `
syntax = "proto3";
message Attribute {
  string name = 1; float f = 2; int64 i = 3; bytes s = 4; Graph g = 6; repeated int64 ints = 8; int32 type = 20;
}
message Node {
  repeated string input = 1; repeated string output = 2; string op_type = 4;
  repeated Attribute attribute = 5; string domain = 7;
}
message Dimension { oneof value { int64 dim_value = 1; string dim_param = 2; } }
message Shape { repeated Dimension dim = 1; }
message TypeOfTensor { int32 elem_type = 1; Shape shape = 2; }
message Type { TypeOfTensor tensor_type = 1; }
message Value { string name = 1; Type type = 2; }
message Constant { repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9; }
message Graph {
  repeated Node node = 1; string name = 2; repeated Constant initializer = 5;
  repeated Value input = 11; repeated Value output = 12;
}
message OperatorSet { string domain = 1; int64 version = 2; }
message Model { int64 ir_version = 1; Graph graph = 7; repeated OperatorSet opset_import = 8; }
`;

const { root } = protobuf.parse(SCHEMA);
const Model = root.lookupType('Model');
const Graph = root.lookupType('Graph');
const Constant = root.lookupType('Constant');

export type ElementType = 'float32' | 'int32' | 'int64' | 'bool';

export const ELEMENT: Record<ElementType, number> = { float32: 1, int32: 6, int64: 7, bool: 9 };
/** What weights of a model file may be beside those. */
const STORED = { ...ELEMENT, uint8: 2, int8: 3, float16: 10 };
const OPERATOR_SETS = [
  { domain: '', version: 21 },
  { domain: 'com.microsoft', version: 1 },
];

/** A floating-point attribute; plain numbers are integers. */
export interface Float {
  float: number;
}
export const float = (value: number): Float => ({ float: value });

export type Attributes = Record<string, number | number[] | string | Float | GraphSpec>;

export interface Node {
  op: string;
  inputs: string[];
  outputs: string[];
  attributes?: Attributes;
  /** The operator set; ONNX's own by default. */
  domain?: string;
}

/** One operation of a graph. */
export const node = (
  op: string,
  inputs: string | string[],
  outputs: string | string[],
  attributes: Attributes = {},
): Node => ({ op, inputs: [inputs].flat(), outputs: [outputs].flat(), attributes });

/** One operation of ONNX Runtime's own set. */
export const contrib = (...args: Parameters<typeof node>): Node => ({
  ...node(...args),
  domain: 'com.microsoft',
});

/** A graph over tensors of any shape. */
export interface GraphSpec {
  inputs: Record<string, ElementType>;
  outputs: Record<string, ElementType>;
  nodes: Node[];
  /** Numbers are float32 scalars, lists are int64 vectors. */
  constants?: Record<string, number | number[] | ConstantTensor>;
  /** Of inputs and outputs, by name: a number, or a name for a size that may be any; unknown where left out. */
  shapes?: Record<string, readonly (number | string)[]>;
}

/** A constant of any type and shape. */
export interface ConstantTensor {
  dtype: keyof typeof STORED;
  dims: readonly number[];
  data: ArrayBufferView;
}

/** A weight of a model file, whose numbers are made when their turn comes. */
export interface StoredTensor {
  name: string;
  dtype: keyof typeof STORED;
  dims: readonly number[];
  read(): ArrayBufferView | Promise<ArrayBufferView>;
}

function encodeAttribute([name, value]: [string, Attributes[string]]): object {
  if (typeof value === 'string') return { name, s: Buffer.from(value), type: 3 };
  if (typeof value === 'number') return { name, i: value, type: 2 };
  if (Array.isArray(value)) return { name, ints: value, type: 7 };
  if ('nodes' in value) return { name, g: graphMessage(value), type: 5 };
  return { name, f: value.float, type: 1 };
}

function encodeConstant([name, value]: [string, number | number[] | ConstantTensor]) {
  if (typeof value === 'number') {
    return { name, dims: [], dataType: ELEMENT.float32, rawData: bytes(Float32Array.of(value)) };
  }
  if (!Array.isArray(value)) {
    const { dims, dtype, data } = value;
    return { name, dims: [...dims], dataType: STORED[dtype], rawData: bytes(data) };
  }
  const data = BigInt64Array.from(value, BigInt);
  return { name, dims: [value.length], dataType: ELEMENT.int64, rawData: bytes(data) };
}

const bytes = (array: ArrayBufferView) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);

function encodeValue([name, type]: [string, ElementType], shapes: GraphSpec['shapes'] = {}) {
  const dim = shapes[name]?.map((size) =>
    typeof size === 'number' ? { dimValue: size } : { dimParam: size },
  );
  return { name, type: { tensorType: { elemType: ELEMENT[type], ...(dim && { shape: { dim } }) } } };
}

const graphMessage = ({ inputs, outputs, nodes, constants = {}, shapes }: GraphSpec) => ({
  name: 'graph',
  node: nodes.map((n) => ({
    input: n.inputs,
    output: n.outputs,
    opType: n.op,
    domain: n.domain ?? '',
    attribute: Object.entries(n.attributes ?? {}).map(encodeAttribute),
  })),
  initializer: Object.entries(constants).map(encodeConstant),
  input: Object.entries(inputs).map((entry) => encodeValue(entry, shapes)),
  output: Object.entries(outputs).map((entry) => encodeValue(entry, shapes)),
});

/** Before a graph and behind it: in the order of their fields, without which OpenVINO does not know a model. */
const HEAD = { irVersion: 10 };
const TAIL = { opsetImport: OPERATOR_SETS };

/** The model file of a graph. */
export const encodeModel = (spec: GraphSpec): Uint8Array =>
  Model.encode(Model.fromObject({ ...HEAD, ...TAIL, graph: graphMessage(spec) })).finish();

/** Tags of the fields that `writeModel` writes by itself: Model.graph, Graph.initializer, Constant.raw_data. */
const [GRAPH, INITIALIZER, RAW_DATA] = [7, 5, 9].map((field) => (field << 3) | 2);

/**
 * Writes the model file of a graph with weights, one after the other, so that no more than one is in memory.
 * @param sink takes the bytes in their order
 */
export async function writeModel(
  spec: GraphSpec,
  tensors: readonly StoredTensor[],
  sink: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  const graph = Graph.encode(Graph.fromObject(graphMessage(spec))).finish();
  const heads = tensors.map(({ name, dtype, dims }) => {
    const size = WIDTHS[dtype] * dims.reduce((a, b) => a * b, 1);
    const constant = Constant.encode(
      Constant.fromObject({ name, dims: [...dims], dataType: STORED[dtype] }),
    ).finish();
    const head = joined(constant, field(RAW_DATA, size));
    return { bytes: joined(field(INITIALIZER, head.length + size), head), size };
  });
  const total = heads.reduce((sum, { bytes: { length }, size }) => sum + length + size, graph.length);
  if (total >= 2 ** 31) throw new RangeError(`a model file of ${total} bytes: no protobuf may pass 2 GiB`);
  await sink(joined(Model.encode(Model.fromObject(HEAD)).finish(), field(GRAPH, total), graph));
  for (const [i, tensor] of tensors.entries()) {
    const data = bytes(await tensor.read());
    if (data.length !== heads[i].size) throw new TypeError(`${tensor.name} gave ${data.length} bytes`);
    await sink(heads[i].bytes);
    await sink(data);
  }
  await sink(Model.encode(Model.fromObject(TAIL)).finish());
}

const WIDTHS: Record<keyof typeof STORED, number> = {
  float32: 4,
  int32: 4,
  int64: 8,
  bool: 1,
  uint8: 1,
  int8: 1,
  float16: 2,
};

/** The beginning of a field of `length` bytes. */
const field = (tag: number, length: number): Uint8Array =>
  protobuf.Writer.create().uint32(tag).uint32(length).finish();

const joined = (...parts: Uint8Array[]): Uint8Array => Buffer.concat(parts);
