import { applyDropout } from '../../fused/dropout_loop.js';
import { kernel } from '../override.js';

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
