import { tf } from '../../tf.js';
import type { OnnxBackend } from '../backend.js';
import { runMatMul } from '../kernels/matmul.js';
import { contrib, type GraphSpec, node } from '../messages.js';
import { kernel } from '../override.js';
import type { OrtValue } from '../sessions.js';

export function registerLinear(): void {
  kernel('LavisLinear', ({ inputs: { x, weight, bias }, backend }) => {
    const [outputs, inputs] = weight.shape;
    const rows = tf.util.sizeFromShape(x.shape) / inputs;
    const y = backend.allocate([...x.shape.slice(0, -1), outputs]);
    if (rows === 0 || outputs === 0) return y;
    const [from, to] = [backend.ort(x, [rows, inputs]), backend.ort(y, [rows, outputs])];
    if (!bias) {
      runMatMul(backend, from, backend.ort(weight), to, false, true);
      return y;
    }
    runLinear(backend, from, backend.ort(weight), backend.ort(bias), to);
    return y;
  });
}

/** As many rows as the words of a generation step: more than a few, less than a block of the matrix product. */
const isHandful = (rows: number) => rows >= 5 && rows <= 48;

/** y = x Wᵀ + b. */
export function runLinear(
  backend: OnnxBackend,
  x: OrtValue,
  weight: OrtValue,
  bias: OrtValue,
  y: OrtValue,
): void {
  const [outputs] = weight.dims;
  if (isHandful(x.dims[0])) {
    const column = { ...bias, dims: [outputs, 1] };
    backend.sessions.run('Linear of a handful', handfulGraph, { x, weight, bias: column }, { y });
    return;
  }
  backend.sessions.run('Linear', linearGraph, { x, weight, bias }, { y });
}

/** Not one Gemm, which fills the result with the bias first, on one thread, and has the product read it. */
const linearGraph = (): GraphSpec => ({
  inputs: { x: 'float32', weight: 'float32', bias: 'float32' },
  outputs: { y: 'float32' },
  nodes: [
    contrib('FusedMatMul', ['x', 'weight'], 'product', { transB: 1 }),
    node('Add', ['product', 'bias'], 'y'),
  ],
});

/** (W xᵀ + b)ᵀ: the matrix product packs its right side, and here that is the small one. A quarter faster. */
const handfulGraph = (): GraphSpec => ({
  inputs: { x: 'float32', weight: 'float32', bias: 'float32' },
  outputs: { y: 'float32' },
  nodes: [
    node('Gemm', ['weight', 'x', 'bias'], 'columns', { transB: 1 }),
    node('Transpose', 'columns', 'y', { perm: [1, 0] }),
  ],
});
