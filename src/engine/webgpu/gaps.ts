import { tf } from '../tf.js';
import { builtIn, filled, type Kernel, override, sizeOf } from './kernels.js';

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
  Min: Number.POSITIVE_INFINITY,
  Prod: 1,
};

/** Mends what TensorFlow.js's kernels for WebGPU get wrong: empty tensors, and Prod's keepDims. */
export function registerGaps(): void {
  for (const [name, value] of Object.entries(OF_NOTHING)) {
    override<ReduceAttrs>(name, (call, original) => {
      const { x } = call.inputs;
      if (sizeOf(x) > 0) return name === 'Prod' ? withKeptDims(call, original) : original(call);
      const dtype = name === 'Mean' ? 'float32' : x.dtype;
      const number = dtype === 'int32' && Number.isNaN(value) ? 0 : value;
      return filled(call.backend, reducedShape(x.shape, call.attrs), number, dtype);
    });
  }
  override('Softmax', (call, original) => {
    const { logits } = call.inputs;
    return sizeOf(logits) > 0 ? original(call) : filled(call.backend, logits.shape, 0, logits.dtype);
  });
}

function reducedShape(shape: number[], { axis, reductionIndices, keepDims }: ReduceAttrs): number[] {
  const axes = tf.util.parseAxisParam((axis ?? reductionIndices) as number, shape);
  const [reduced] = tf.backend_util.computeOutAndReduceShapes(shape, axes);
  return keepDims ? tf.backend_util.expandShapeToKeepDim(reduced, axes) : reduced;
}

function withKeptDims(call: Parameters<Kernel<ReduceAttrs>>[0], original: Kernel<ReduceAttrs>) {
  const y = original(call) as tf.TensorInfo;
  const shape = reducedShape(call.inputs.x.shape, call.attrs);
  if (tf.util.arraysEqual(y.shape, shape)) return y;
  const { backend } = call;
  const reshaped = builtIn<{ shape: number[] }>('Reshape')({ inputs: { x: y }, attrs: { shape }, backend });
  backend.disposeData(y.dataId);
  return reshaped;
}
