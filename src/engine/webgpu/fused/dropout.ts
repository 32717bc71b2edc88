import { dropoutStart, dropoutThreshold } from '../../fused/dropout.js';
import { f32, type Param, u32 } from '../backend.js';
import { kernel, sizeOf } from '../kernels.js';
import { bindings, DROPOUT, groupsOf, LANES, main } from '../wgsl.js';

const SHADER = () => `
${bindings(
  [
    ['x', 'read', 'f32'],
    ['y', 'read_write', 'f32'],
  ],
  { size: 'u32', ...DROPOUT_FIELDS },
)}
${DROPOUT}
${main(
  LANES,
  `
  let i = group * ${LANES}u + lane;
  if (i < p.size) { y[i] = x[i] * kept(i); }`,
)}`;

/** The parameters that `kept` of WGSL reads. */
export const DROPOUT_FIELDS = { start: 'u32', threshold: 'u32', keep: 'f32' } as const;

export function dropoutParams(rate: number, seed: number): Param[] {
  return [u32(dropoutStart(seed)), u32(dropoutThreshold(rate)), f32(1 / (1 - rate))];
}

export function registerDropout(): void {
  kernel<{ rate: number; seed: number }>(
    'LavisDropout',
    ({ inputs: { x }, attrs: { rate, seed }, backend }) => {
      const y = backend.allocate(x.shape);
      backend.run({
        key: 'dropout',
        code: SHADER,
        tensors: [x, y],
        params: [u32(sizeOf(x)), ...dropoutParams(rate, seed)],
        workgroups: groupsOf(sizeOf(x)),
      });
      return y;
    },
  );
}
