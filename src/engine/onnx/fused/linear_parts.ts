import { tf } from '../../tf.js';
import { type KernelCall, kernel } from '../override.js';
import { ort } from '../sessions.js';
import { runLinear } from './linear.js';

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
