/** ONNX models as bytes: just the messages that small graphs need. Source: onnx.proto (ONNX 1.17). */
import protobuf from 'protobufjs';

const SCHEMA = `
syntax = "proto3";
message Attribute {
  string name = 1; float f = 2; int64 i = 3; bytes s = 4; repeated int64 ints = 8; int32 type = 20;
}
message Node {
  repeated string input = 1; repeated string output = 2; string op_type = 4;
  repeated Attribute attribute = 5; string domain = 7;
}
message TypeOfTensor { int32 elem_type = 1; }
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

const Model = protobuf.parse(SCHEMA).root.lookupType('Model');

export type ElementType = 'float32' | 'int32' | 'int64' | 'bool';

export const ELEMENT: Record<ElementType, number> = { float32: 1, int32: 6, int64: 7, bool: 9 };
const OPERATOR_SETS = [
  { domain: '', version: 21 },
  { domain: 'com.microsoft', version: 1 },
];

/** A floating-point attribute; plain numbers are integers. */
export interface Float {
  float: number;
}
export const float = (value: number): Float => ({ float: value });

export type Attributes = Record<string, number | number[] | string | Float>;

export interface Node {
  op: string;
  inputs: string[];
  outputs: string[];
  attributes?: Attributes;
  /** The operator set; ONNX's own unless given. */
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
  constants?: Record<string, number | number[]>;
}

function encodeAttribute([name, value]: [string, Attributes[string]]) {
  if (typeof value === 'string') return { name, s: Buffer.from(value), type: 3 };
  if (typeof value === 'number') return { name, i: value, type: 2 };
  if (Array.isArray(value)) return { name, ints: value, type: 7 };
  return { name, f: value.float, type: 1 };
}

function encodeConstant([name, value]: [string, number | number[]]) {
  if (typeof value === 'number') {
    return { name, dims: [], dataType: ELEMENT.float32, rawData: bytes(Float32Array.of(value)) };
  }
  const data = BigInt64Array.from(value, BigInt);
  return { name, dims: [value.length], dataType: ELEMENT.int64, rawData: bytes(data) };
}

const bytes = (array: ArrayBufferView) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);

const encodeValue = ([name, type]: [string, ElementType]) => ({
  name,
  type: { tensorType: { elemType: ELEMENT[type] } },
});

/** The model file of a graph. */
export function encodeModel({ inputs, outputs, nodes, constants = {} }: GraphSpec): Uint8Array {
  const graph = {
    name: 'graph',
    node: nodes.map((n) => ({
      input: n.inputs,
      output: n.outputs,
      opType: n.op,
      domain: n.domain ?? '',
      attribute: Object.entries(n.attributes ?? {}).map(encodeAttribute),
    })),
    initializer: Object.entries(constants).map(encodeConstant),
    input: Object.entries(inputs).map(encodeValue),
    output: Object.entries(outputs).map(encodeValue),
  };
  return Model.encode(Model.fromObject({ irVersion: 10, graph, opsetImport: OPERATOR_SETS })).finish();
}
