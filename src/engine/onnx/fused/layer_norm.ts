import { tf } from '../../tf.js';
import { float, type GraphSpec, node } from '../messages.js';
import { kernel } from '../override.js';
import { ort } from '../sessions.js';

/** Elements worked on at a time by the gradient. */
const CHUNK = 1 << 18;

const FORWARD = (eps: number): GraphSpec => ({
  inputs: { x: 'float32', weight: 'float32', bias: 'float32' },
  outputs: { y: 'float32', mean: 'float32', scale: 'float32' },
  nodes: [
    node('LayerNormalization', ['x', 'weight', 'bias'], ['y', 'mean', 'scale'], {
      axis: -1,
      epsilon: float(eps),
    }),
  ],
});

/** With n the normalized x and g = dy * weight: dx = scale * (g - mean(g) - n * mean(g * n)). */
const BACKWARD = (): GraphSpec => ({
  inputs: { dy: 'float32', x: 'float32', mean: 'float32', scale: 'float32', weight: 'float32' },
  outputs: { dx: 'float32', dweight: 'float32', dbias: 'float32' },
  nodes: [
    node('Sub', ['x', 'mean'], 'centred'),
    node('Mul', ['centred', 'scale'], 'n'),
    node('Mul', ['dy', 'n'], 'dy_n'),
    node('ReduceSum', ['dy_n', 'rows'], 'dweight', { keepdims: 0 }),
    node('ReduceSum', ['dy', 'rows'], 'dbias', { keepdims: 0 }),
    node('Mul', ['dy', 'weight'], 'g'),
    node('ReduceMean', ['g', 'columns'], 'mean_g'),
    node('Mul', ['dy_n', 'weight'], 'g_n'),
    node('ReduceMean', ['g_n', 'columns'], 'mean_g_n'),
    node('Mul', ['n', 'mean_g_n'], 'along'),
    node('Sub', ['g', 'mean_g'], 'g_centred'),
    node('Sub', ['g_centred', 'along'], 'across'),
    node('Mul', ['across', 'scale'], 'dx'),
  ],
  constants: { rows: [0], columns: [-1] },
});

export function registerLayerNorm(): void {
  kernel<{ eps: number }>('LavisLayerNorm', ({ inputs: { x, weight, bias }, attrs: { eps }, backend }) => {
    const perRow = [...x.shape.slice(0, -1), 1];
    const [y, mean, scale] = [backend.allocate(x.shape), backend.allocate(perRow), backend.allocate(perRow)];
    if (x.shape.includes(0)) return [y, mean, scale];
    const feeds = { x: backend.ort(x), weight: backend.ort(weight), bias: backend.ort(bias) };
    const fetches = { y: backend.ort(y), mean: backend.ort(mean), scale: backend.ort(scale) };
    backend.sessions.run(`LayerNorm ${eps}`, () => FORWARD(eps), feeds, fetches);
    return [y, mean, scale];
  });

  kernel('LavisLayerNormGrad', ({ inputs: { dy, x, mean, scale, weight }, backend }) => {
    const width = x.shape.at(-1)!;
    const rows = tf.util.sizeFromShape(x.shape.slice(0, -1));
    const [dx, dweight, dbias] = [x.shape, [width], [width]].map((shape) => backend.allocate(shape));
    const sums = [dweight, dbias].map((info) => (backend.values(info) as Float32Array).fill(0));
    const parts = sums.map(() => new Float32Array(width));
    const step = Math.max(1, Math.floor(CHUNK / width));
    for (let start = 0; start < rows && width > 0; start += step) {
      const count = Math.min(step, rows - start);
      const part = (info: tf.TensorInfo, columns: number) =>
        ort(backend.values(info).subarray(start * columns, (start + count) * columns), [count, columns]);
      backend.sessions.run(
        'LayerNormGrad',
        BACKWARD,
        {
          dy: part(dy, width),
          x: part(x, width),
          mean: part(mean, 1),
          scale: part(scale, 1),
          weight: backend.ort(weight),
        },
        { dx: part(dx, width), dweight: ort(parts[0], [width]), dbias: ort(parts[1], [width]) },
      );
      sums.forEach((sum, which) => {
        for (let i = 0; i < width; i++) sum[i] += parts[which][i];
      });
    }
    return [dx, dweight, dbias];
  });
}
