import { tf } from '../tf.js';
import { builtIn, filled, type Kernel, type KernelCall, sizeOf, wrapKernel } from './kernels.js';
import { sumRows } from './sum_rows.js';

interface ReduceAttrs {
  axis?: number | number[];
  /** What Max calls its axes. */
  reductionIndices?: number | number[];
  keepDims?: boolean;
}

/** What a reduction over nothing gives, as TensorFlow.js's cpu backend has it. */
const OF_NOTHING = {
  Sum: 0,
  Mean: 0,
  Max: Number.NaN,
  Min: Number.NaN,
  Prod: 1,
};

/**
 * Mends what TensorFlow.js's kernels for WebGPU get wrong (empty tensors, Prod's keepDims), and sums rows
 * without transposing them first.
 */
export function registerOverrides(): void {
  for (const [name, value] of Object.entries(OF_NOTHING)) {
    wrapKernel<ReduceAttrs>(name, (call, original) => {
      const { x } = call.inputs;
      if (sizeOf(x) > 0) return reduce(name, call, original);
      const dtype = name === 'Mean' ? 'float32' : x.dtype;
      const number = dtype === 'int32' && Number.isNaN(value) ? 0 : value;
      return filled(call.backend, reducedShape(x.shape, call.attrs), number, dtype);
    });
  }
  wrapKernel('Softmax', (call, original) => {
    const { logits } = call.inputs;
    return sizeOf(logits) > 0 ? original(call) : filled(call.backend, logits.shape, 0, logits.dtype);
  });
}

function reduce(name: string, call: KernelCall<ReduceAttrs>, original: Kernel<ReduceAttrs>) {
  if (name === 'Prod') return withKeptDims(call, original);
  const rows = name === 'Sum' ? leadingRows(call) : 0;
  if (rows < 2) return original(call);
  const { x } = call.inputs;
  const sum = sumRows(call.backend, x, rows, sizeOf(x) / rows);
  return { ...sum, shape: reducedShape(x.shape, call.attrs) };
}

/** How many rows are added up, where the first axes are those that go; 0 elsewhere. */
function leadingRows({ inputs: { x }, attrs: { axis } }: KernelCall<ReduceAttrs>): number {
  const axes = tf.util.parseAxisParam(axis as number, x.shape);
  const leading = axes.length < x.shape.length && axes.every((one, i) => one === i);
  return leading && x.dtype === 'float32' ? tf.util.sizeFromShape(x.shape.slice(0, axes.length)) : 0;
}

function reducedShape(shape: number[], { axis, reductionIndices, keepDims }: ReduceAttrs): number[] {
  const axes = tf.util.parseAxisParam((axis ?? reductionIndices) as number, shape);
  const [reduced] = tf.backend_util.computeOutAndReduceShapes(shape, axes);
  return keepDims ? tf.backend_util.expandShapeToKeepDim(reduced, axes) : reduced;
}

function withKeptDims(call: KernelCall<ReduceAttrs>, original: Kernel<ReduceAttrs>) {
  const y = original(call) as tf.TensorInfo;
  const shape = reducedShape(call.inputs.x.shape, call.attrs);
  if (tf.util.arraysEqual(y.shape, shape)) return y;
  const { backend } = call;
  const reshaped = builtIn<{ shape: number[] }>('Reshape')({ inputs: { x: y }, attrs: { shape }, backend });
  backend.disposeData(y.dataId);
  return reshaped;
}
