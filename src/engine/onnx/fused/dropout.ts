import { applyDropout } from '../../fused/dropout.js';
import { kernel } from '../override.js';

export function registerDropout(): void {
  kernel<{ rate: number; seed: number }>(
    'LavisDropout',
    ({ inputs: { x }, attrs: { rate, seed }, backend }) => {
      const y = backend.allocate(x.shape);
      applyDropout(backend.values(y) as Float32Array, backend.values(x) as Float32Array, rate, seed);
      return y;
    },
  );
}
