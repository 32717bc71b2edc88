import { applyDropout } from '../../fused/dropout.js';
import { tf } from '../../tf.js';
import { contrib, float, type GraphSpec, node } from '../messages.js';
import { kernel } from '../override.js';
import { ort } from '../sessions.js';

/** y = target op x, of one shape, over the target's memory where nobody else holds it. */
function registerInto(name: string, op: string): void {
  kernel(name, ({ inputs: { target, x }, backend }) => {
    const y = backend.isExclusive(target)
      ? backend.view(target, target.shape)
      : backend.allocate(target.shape);
    if (target.shape.includes(0)) return y;
    const spec = (): GraphSpec => ({
      inputs: { a: 'float32', b: 'float32' },
      outputs: { y: 'float32' },
      nodes: [node(op, ['a', 'b'], 'y')],
    });
    backend.sessions.run(op, spec, { a: backend.ort(target), b: backend.ort(x) }, { y: backend.ort(y) });
    return y;
  });
}

export function registerInPlace(): void {
  registerInto('LavisAddInto', 'Add');
  registerInto('LavisMultiplyInto', 'Mul');
}

export function registerDropout(): void {
  kernel<{ rate: number; seed: number }>(
    'LavisDropout',
    ({ inputs: { x }, attrs: { rate, seed }, backend }) => {
      const y = backend.allocate(x.shape);
      const [to, from] = [y, x].map((info) => backend.values(info) as Float32Array);
      applyDropout(to, rate, seed, from);
      return y;
    },
  );
}

/** Elements worked on at a time, so that what lies between the operations stays in the cache. */
const CHUNK = 1 << 18;

const GELU = (): GraphSpec => ({
  inputs: { x: 'float32' },
  outputs: { y: 'float32' },
  nodes: [contrib('Gelu', 'x', 'y')],
});

/** y = x Φ(x), and its slope Φ(x) + x φ(x), with Φ(x) = (1 + erf(x / √2)) / 2 and φ the normal density. */
const GELU_AND_SLOPE = (): GraphSpec => ({
  inputs: { x: 'float32' },
  outputs: { y: 'float32', slope: 'float32' },
  nodes: [
    node('Mul', ['x', 'sqrt_half'], 'u'),
    node('Erf', 'u', 'erf'),
    node('HardSigmoid', 'erf', 'cdf', { alpha: float(0.5), beta: float(0.5) }), // (1 + erf) / 2
    node('Mul', ['x', 'cdf'], 'y'),
    node('Mul', ['u', 'u'], 'u2'),
    node('Sub', ['log_scale', 'u2'], 'log_pdf'),
    node('Exp', 'log_pdf', 'pdf'),
    node('Mul', ['x', 'pdf'], 'x_pdf'),
    node('Add', ['cdf', 'x_pdf'], 'slope'),
  ],
  constants: { sqrt_half: Math.SQRT1_2, log_scale: -0.5 * Math.log(2 * Math.PI) },
});

export function registerGelu(): void {
  kernel('LavisGelu', ({ inputs: { x }, backend }) => {
    const y = backend.allocate(x.shape);
    if (!x.shape.includes(0))
      backend.sessions.run('Gelu', GELU, { x: backend.ort(x) }, { y: backend.ort(y) });
    return y;
  });
  kernel('LavisGeluAndSlope', ({ inputs: { x }, backend }) => {
    const [y, slope] = [backend.allocate(x.shape), backend.allocate(x.shape)];
    const size = tf.util.sizeFromShape(x.shape);
    const arrays = [x, y, slope].map((info) => backend.values(info));
    for (let start = 0; start < size; start += CHUNK) {
      const end = Math.min(start + CHUNK, size);
      const [from, to, toSlope] = arrays.map((array) => ort(array.subarray(start, end), [end - start]));
      backend.sessions.run('GeluAndSlope', GELU_AND_SLOPE, { x: from }, { y: to, slope: toSlope });
    }
    return [y, slope];
  });
}
