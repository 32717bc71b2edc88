import { tf } from '../../tf.js';
import type { OnnxBackend } from '../backend.js';
import { inPieces, runMatMul } from '../kernels/matmul.js';
import { contrib, type GraphSpec, type Node, node } from '../messages.js';
import { type KernelCall, kernel } from '../override.js';
import { type OrtValue, ort } from '../sessions.js';

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
export const isHandful = (rows: number) => rows >= 5 && rows <= 48;

/** y = x Wᵀ + b. */
function runLinear(backend: OnnxBackend, x: OrtValue, weight: OrtValue, bias: OrtValue, y: OrtValue): void {
  const handful = isHandful(x.dims[0]);
  const spec = (): GraphSpec => ({
    inputs: { x: 'float32', weight: 'float32', bias: 'float32' },
    outputs: { y: 'float32' },
    nodes: linearNodes('x', 'weight', 'bias', 'y', handful),
  });
  const feeds = { weight, bias: biasFor(handful, bias) };
  inPieces(x, y, (from, to) => {
    backend.sessions.run(handful ? 'Linear of a handful' : 'Linear', spec, { x: from, ...feeds }, { y: to });
  });
}

/** The bias as `linearNodes` takes it. */
export const biasFor = (handful: boolean, bias: OrtValue): OrtValue =>
  handful ? { ...bias, dims: [...bias.dims, 1] } : bias;

/**
 * y = x Wᵀ + b. Of a handful of rows it is (W xᵀ + b)ᵀ: the matrix product packs its right side, and here that is
 * the small one. A quarter faster.
 */
export const linearNodes = (x: string, weight: string, bias: string, y: string, handful: boolean): Node[] =>
  handful
    ? [
        node('Gemm', [weight, x, bias], `${y}_columns`, { transB: 1 }),
        node('Transpose', `${y}_columns`, y, { perm: [1, 0] }),
      ]
    : [
        // Not one Gemm, which fills the result with the bias first, on one thread, and has the product read it.
        contrib('FusedMatMul', [x, weight], `${y}_product`, { transB: 1 }),
        node('Add', [`${y}_product`, bias], y),
      ];

export function registerLinearParts(): void {
  kernel<{ parts: number }>(
    'LavisLinearParts',
    ({ inputs, attrs: { parts }, backend }: KernelCall<{ parts: number }>) => {
      const { x, weight, bias } = inputs;
      const [outputs, width] = [weight.shape[0] / parts, weight.shape[1]];
      const rows = tf.util.sizeFromShape(x.shape) / width;
      const [weights, biases] = [
        backend.values(weight) as Float32Array,
        backend.values(bias) as Float32Array,
      ];
      return Array.from({ length: parts }, (_, part) => {
        const y = backend.allocate([...x.shape.slice(0, -1), outputs]);
        if (rows === 0 || outputs === 0) return y;
        // A part's rows of the weight lie together.
        const first = part * outputs;
        runLinear(
          backend,
          backend.ort(x, [rows, width]),
          ort(weights.subarray(first * width, (first + outputs) * width), [outputs, width]),
          ort(biases.subarray(first, first + outputs), [outputs]),
          backend.ort(y, [rows, outputs]),
        );
        return y;
      });
    },
  );
}
