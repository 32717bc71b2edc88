import { tf } from '../../tf.js';
import type { NumericType, OnnxBackend } from '../backend.js';
import { type GraphSpec, type Node, node } from '../messages.js';
import { allFloat, type KernelCall, replaceCpuKernel } from '../override.js';

const one = (op: string) => [node(op, 'x', 'y')];

/** Unary operations, as graphs from x to y. */
const UNARY: Record<string, Node[]> = {
  [tf.Abs]: one('Abs'),
  [tf.Ceil]: one('Ceil'),
  [tf.Cos]: one('Cos'),
  [tf.Erf]: one('Erf'),
  [tf.Exp]: one('Exp'),
  [tf.Floor]: one('Floor'),
  [tf.Log]: one('Log'),
  [tf.Neg]: one('Neg'),
  [tf.Reciprocal]: one('Reciprocal'),
  [tf.Relu]: one('Relu'),
  [tf.Rsqrt]: [node('Sqrt', 'x', 'root'), node('Reciprocal', 'root', 'y')],
  [tf.Sigmoid]: one('Sigmoid'),
  [tf.Sin]: one('Sin'),
  [tf.Sqrt]: one('Sqrt'),
  [tf.Square]: [node('Mul', ['x', 'x'], 'y')],
  [tf.Tanh]: one('Tanh'),
};

const pair = (op: string) => [node(op, ['a', 'b'], 'y')];

/** Binary operations with broadcasting, as graphs from a and b to y. */
const BINARY: Record<string, Node[]> = {
  [tf.Add]: pair('Add'),
  [tf.Sub]: pair('Sub'),
  [tf.Multiply]: pair('Mul'),
  [tf.RealDiv]: pair('Div'),
  [tf.Maximum]: pair('Max'),
  [tf.Minimum]: pair('Min'),
  [tf.SquaredDifference]: [node('Sub', ['a', 'b'], 'd'), node('Mul', ['d', 'd'], 'y')],
};

/** Comparisons with broadcasting. */
const COMPARE: Record<string, Node[]> = {
  [tf.Equal]: pair('Equal'),
  [tf.NotEqual]: [node('Equal', ['a', 'b'], 'same'), node('Not', 'same', 'y')],
  [tf.Less]: pair('Less'),
  [tf.LessEqual]: pair('LessOrEqual'),
  [tf.Greater]: pair('Greater'),
  [tf.GreaterEqual]: pair('GreaterOrEqual'),
};

export function registerElementwise(): void {
  for (const [name, nodes] of Object.entries(UNARY)) {
    replaceCpuKernel(name, ({ inputs: { x }, backend }) =>
      allFloat(x) ? unary(backend, name, nodes, x) : undefined,
    );
  }
  for (const [name, nodes] of Object.entries(BINARY)) {
    replaceCpuKernel(name, ({ inputs: { a, b }, backend }) =>
      allFloat(a, b) ? binary(backend, name, nodes, a, b, 'float32') : undefined,
    );
  }
  for (const [name, nodes] of Object.entries(COMPARE)) {
    replaceCpuKernel(name, ({ inputs: { a, b }, backend }) =>
      allFloat(a, b) ? binary(backend, name, nodes, a, b, 'bool') : undefined,
    );
  }
  replaceCpuKernel(tf.Select, select);
  replaceCpuKernel(tf.Cast, cast);
  replaceCpuKernel(tf.AddN, addN);
}

function unary(backend: OnnxBackend, name: string, nodes: Node[], x: tf.TensorInfo): tf.TensorInfo {
  const y = backend.allocate(x.shape);
  const spec = (): GraphSpec => ({ inputs: { x: 'float32' }, outputs: { y: 'float32' }, nodes });
  backend.sessions.run(name, spec, { x: backend.ort(x) }, { y: backend.ort(y) });
  return y;
}

function binary(
  backend: OnnxBackend,
  name: string,
  nodes: Node[],
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  result: 'float32' | 'bool',
): tf.TensorInfo {
  const y = backend.allocate(tf.backend_util.assertAndGetBroadcastShape(a.shape, b.shape), result);
  const spec = (): GraphSpec => ({ inputs: { a: 'float32', b: 'float32' }, outputs: { y: result }, nodes });
  backend.sessions.run(name, spec, { a: backend.ort(a), b: backend.ort(b) }, { y: backend.ort(y) });
  return y;
}

function select({ inputs: { condition, t, e }, backend }: KernelCall<object>): tf.TensorInfo | undefined {
  if (!allFloat(t, e) || condition.dtype !== 'bool') return undefined;
  if (!tf.util.arraysEqual(condition.shape, t.shape)) return undefined;
  const y = backend.allocate(t.shape);
  const spec = (): GraphSpec => ({
    inputs: { condition: 'bool', t: 'float32', e: 'float32' },
    outputs: { y: 'float32' },
    nodes: [node('Where', ['condition', 't', 'e'], 'y')],
  });
  const feeds = { condition: backend.ort(condition), t: backend.ort(t), e: backend.ort(e) };
  backend.sessions.run(tf.Select, spec, feeds, { y: backend.ort(y) });
  return y;
}

const ONNX_TYPE: Record<NumericType, number> = { float32: 1, int32: 6, bool: 9 };

function cast({
  inputs: { x },
  attrs: { dtype },
  backend,
}: KernelCall<{ dtype: tf.DataType }>): tf.TensorInfo | undefined {
  if (x.dtype === dtype || !(x.dtype in ONNX_TYPE) || !(dtype in ONNX_TYPE)) return undefined;
  const [from, to] = [x.dtype as NumericType, dtype as NumericType];
  // Out of range, the two truncate differently.
  if (from === 'float32' && to === 'int32') return undefined;
  const y = backend.allocate(x.shape, to);
  const spec = (): GraphSpec => ({
    inputs: { x: from },
    outputs: { y: to },
    nodes: [node('Cast', 'x', 'y', { to: ONNX_TYPE[to] })],
  });
  backend.sessions.run(`Cast ${from} ${to}`, spec, { x: backend.ort(x) }, { y: backend.ort(y) });
  return y;
}

function addN({ inputs, backend }: KernelCall<object>): tf.TensorInfo | undefined {
  const tensors = Object.values(inputs);
  if (tensors.length < 2 || !allFloat(...tensors)) return undefined;
  const names = tensors.map((_, i) => `x${i}`);
  const y = backend.allocate(tensors[0].shape);
  const spec = (): GraphSpec => ({
    inputs: Object.fromEntries(names.map((name) => [name, 'float32'])),
    outputs: { y: 'float32' },
    nodes: [node('Sum', names, 'y')],
  });
  const feeds = Object.fromEntries(tensors.map((x, i) => [names[i], backend.ort(x)]));
  backend.sessions.run(`AddN ${tensors.length}`, spec, feeds, { y: backend.ort(y) });
  return y;
}
