import type { AdamWAttrs } from '../../fused/adamw.js';
import type { tf } from '../../tf.js';
import { f32, u32 } from '../backend.js';
import { kernel, sizeOf } from '../kernels.js';
import { bindings, groupsOf, LANES, main } from '../wgsl.js';

const shader = (withFactor: boolean) => `
${bindings(
  [
    ['param', 'read_write', 'f32'],
    ['mean', 'read_write', 'f32'],
    ['square', 'read_write', 'f32'],
    ['grad', 'read', 'f32'],
    ...(withFactor ? [['factor', 'read', 'f32'] as const] : []),
  ],
  {
    size: 'u32',
    beta1: 'f32',
    rest1: 'f32',
    beta2: 'f32',
    rest2: 'f32',
    eps: 'f32',
    step: 'f32',
    root: 'f32',
    shrink: 'f32',
  },
)}
${main(
  LANES,
  `
  let i = group * ${LANES}u + lane;
  if (i >= p.size) { return; }
  ${withFactor ? 'if (factor[0] == 0.0) { return; }' : ''}
  let g = grad[i]${withFactor ? ' * factor[0]' : ''};
  let m = mean[i] * p.beta1 + g * p.rest1;
  let v = square[i] * p.beta2 + g * g * p.rest2;
  mean[i] = m;
  square[i] = v;
  param[i] = param[i] * p.shrink - p.step * m / (sqrt(v) / p.root + p.eps);`,
)}`;

export function registerAdamW(): void {
  kernel<AdamWAttrs>('LavisAdamW', ({ inputs, attrs, backend }) => {
    const variables = [inputs.param, inputs.expAvg, inputs.expAvgSq] as tf.Variable[];
    for (const variable of variables) backend.makeExclusive(variable);
    const { beta1, beta2, eps, stepSize, rootCorrection, shrink } = attrs;
    const numbers = [beta1, 1 - beta1, beta2, 1 - beta2, eps, stepSize, rootCorrection, shrink];
    const size = sizeOf(inputs.param);
    backend.run({
      key: inputs.factor ? 'adamw with factor' : 'adamw',
      code: () => shader(inputs.factor !== undefined),
      tensors: [...variables, inputs.grad, ...(inputs.factor ? [inputs.factor] : [])],
      params: [u32(size), ...numbers.map(f32)],
      workgroups: groupsOf(size),
    });
    return [];
  });
}
