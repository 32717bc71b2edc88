import type { tf } from '../../tf.js';
import { builtIn, kernel, sizeOf } from '../kernels.js';

/** x Wᵀ + b in one shader of TensorFlow.js. */
export function registerLinear(): void {
  const matMul = builtIn('_FusedMatMul');
  kernel('LavisLinear', ({ inputs: { x, weight, bias }, backend }) => {
    const [outputs, width] = weight.shape;
    const rows = sizeOf(x) / width;
    const a = { dataId: x.dataId, shape: [rows, width], dtype: x.dtype };
    const attrs = { transposeA: false, transposeB: true, activation: 'linear' };
    const product = matMul({ inputs: { a, b: weight, bias }, attrs, backend }) as tf.TensorInfo;
    return { ...product, shape: [...x.shape.slice(0, -1), outputs] };
  });
}
