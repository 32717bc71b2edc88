import { QUANTIZED_KERNEL, type QuantizedWeight } from '../../fused/quantized.js';
import { tf } from '../../tf.js';
import { inPieces } from '../kernels/matmul.js';
import { contrib, type GraphSpec, node } from '../messages.js';
import { kernel } from '../override.js';
import type { Sessions } from '../sessions.js';

/** Rows at a time, whose values between the nodes stay in the cache. */
const MOST_ROWS = 256;

/** What 0 is in the input's unsigned integers. */
const ZERO = 128;

/** The weight is a constant of the graph: ONNX Runtime packs it once, for the processor's own integer products. */
const graphOf = ({ inputs, outputs, columns, scales }: QuantizedWeight): GraphSpec => ({
  inputs: { x: 'float32', bias: 'float32' },
  outputs: { y: 'float32' },
  nodes: [
    node('Abs', 'x', 'sizes'),
    node('ReduceMax', ['sizes', 'last'], 'largest', { keepdims: 0 }),
    node('Max', ['largest', 'tiny'], 'above_0'),
    node('Mul', ['above_0', 'step'], 'scales'), // [N]
    node('Shape', 'scales', 'rows'),
    node('Expand', ['zero', 'rows'], 'zeros'),
    node('QuantizeLinear', ['x', 'scales', 'zeros'], 'q', { axis: 0 }),
    contrib('MatMulIntegerToFloat', ['q', 'weight', 'one', 'weight_scales', 'zero'], 'products'),
    node('Unsqueeze', ['scales', 'last'], 'column'),
    node('Mul', ['products', 'column'], 'unbiased'),
    node('Add', ['unbiased', 'bias'], 'y'),
  ],
  constants: {
    last: [-1],
    tiny: 1e-30,
    step: 1 / 127,
    one: 1,
    zero: { dtype: 'uint8', dims: [], data: Uint8Array.of(ZERO) },
    weight: { dtype: 'int8', dims: [inputs, outputs], data: columns },
    weight_scales: { dtype: 'float32', dims: [outputs], data: scales },
  },
});

/** Frees the session of a weight, and what it packed, when nothing refers to the weight any more. */
const unreachable = new FinalizationRegistry<{ sessions: Sessions; key: string }>(({ sessions, key }) =>
  sessions.close(key),
);

export function registerQuantizedLinear(): void {
  kernel<{ weight: QuantizedWeight }>(
    QUANTIZED_KERNEL,
    ({ inputs: { x, bias }, attrs: { weight }, backend }) => {
      const { inputs, outputs, id } = weight;
      const rows = tf.util.sizeFromShape(x.shape) / inputs;
      const y = backend.allocate([...x.shape.slice(0, -1), outputs]);
      if (rows === 0) return y;
      const key = `QuantizedLinear ${id}`;
      const { sessions } = backend;
      if (!sessions.has(key)) unreachable.register(weight, { sessions, key });
      const shift = backend.ort(bias);
      inPieces(
        backend.ort(x, [rows, inputs]),
        backend.ort(y, [rows, outputs]),
        (from, to) => {
          const [feeds, fetches] = [{ x: from, bias: shift }, { y: to }];
          sessions.run(key, () => graphOf(weight), feeds, fetches);
        },
        MOST_ROWS,
      );
      return y;
    },
  );
}
