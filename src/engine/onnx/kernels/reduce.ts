import { tf } from '../../tf.js';
import { type GraphSpec, node } from '../messages.js';
import { allFloat, type KernelCall, replaceCpuKernel } from '../override.js';

const REDUCE: Record<string, string> = {
  [tf.Sum]: 'ReduceSum',
  [tf.Mean]: 'ReduceMean',
  [tf.Max]: 'ReduceMax',
  [tf.Min]: 'ReduceMin',
  [tf.Prod]: 'ReduceProd',
};

interface ReduceAttrs {
  axis?: number | number[];
  /** What Max calls its axis. */
  reductionIndices?: number | number[];
  keepDims?: boolean;
}

export function registerReduce(): void {
  for (const [name, op] of Object.entries(REDUCE)) {
    replaceCpuKernel<ReduceAttrs>(name, ({ inputs: { x }, attrs, backend }) => {
      if (!allFloat(x)) return undefined;
      const axes = tf.util.parseAxisParam((attrs.reductionIndices ?? attrs.axis) as number[], x.shape);
      // Without axes ONNX reduces all of them.
      if (axes.length === 0) return undefined;
      const reduced = new Set(axes);
      const kept = x.shape.map((n, axis) => (reduced.has(axis) ? 1 : n));
      const y = backend.allocate(attrs.keepDims ? kept : x.shape.filter((_, axis) => !reduced.has(axis)));
      const spec = (): GraphSpec => ({
        inputs: { x: 'float32' },
        outputs: { y: 'float32' },
        nodes: [node(op, ['x', 'axes'], 'y', { keepdims: 1 })],
        constants: { axes },
      });
      backend.sessions.run(`${op} ${axes}`, spec, { x: backend.ort(x) }, { y: backend.ort(y, kept) });
      return y;
    });
  }
  replaceCpuKernel(tf.ArgMax, (call: KernelCall<{ axis: number }>) => argument('ArgMax', call));
  replaceCpuKernel(tf.ArgMin, (call: KernelCall<{ axis: number }>) => argument('ArgMin', call));
  replaceCpuKernel<{ dim: number }>(tf.Softmax, (call) => softmax(call));
}

function argument(
  op: string,
  { inputs: { x }, attrs, backend }: KernelCall<{ axis: number }>,
): tf.TensorInfo | undefined {
  if (!allFloat(x)) return undefined;
  const [axis] = tf.util.parseAxisParam(attrs.axis, x.shape);
  const y = backend.allocate(
    x.shape.filter((_, i) => i !== axis),
    'int32',
  );
  const spec = (): GraphSpec => ({
    inputs: { x: 'float32' },
    outputs: { y: 'int32' },
    nodes: [node(op, 'x', 'long', { axis, keepdims: 0 }), node('Cast', 'long', 'y', { to: 6 })],
  });
  backend.sessions.run(`${op} ${axis}`, spec, { x: backend.ort(x) }, { y: backend.ort(y) });
  return y;
}

function softmax({
  inputs: { logits },
  attrs: { dim },
  backend,
}: KernelCall<{ dim: number }>): tf.TensorInfo | undefined {
  if (!allFloat(logits) || logits.shape.length === 0) return undefined;
  const [axis] = tf.util.parseAxisParam(dim, logits.shape);
  const y = backend.allocate(logits.shape);
  const spec = (): GraphSpec => ({
    inputs: { x: 'float32' },
    outputs: { y: 'float32' },
    nodes: [node('Softmax', 'x', 'y', { axis })],
  });
  backend.sessions.run(`Softmax ${axis}`, spec, { x: backend.ort(logits) }, { y: backend.ort(y) });
  return y;
}
