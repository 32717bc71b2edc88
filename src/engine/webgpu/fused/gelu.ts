import { u32 } from '../backend.js';
import { kernel, sizeOf } from '../kernels.js';
import { bindings, groupsOf, LANES, main } from '../wgsl.js';

/** The normal distribution function. Source: Abramowitz and Stegun, 7.1.26 (error below 1.5e-7). */
const NORMAL = `
fn normal(x: f32) -> f32 {
  let z = abs(x) * ${Math.SQRT1_2};
  let t = 1.0 / (1.0 + 0.3275911 * z);
  let poly = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  let tail = 0.5 * poly * exp(-z * z);
  return select(tail, 1.0 - tail, x >= 0.0);
}`;

const shader = (withSlope: boolean) => `
${bindings(
  [
    ['x', 'read', 'f32'],
    ['y', 'read_write', 'f32'],
    ...(withSlope ? [['slope', 'read_write', 'f32'] as const] : []),
  ],
  { size: 'u32' },
)}
${NORMAL}
${main(
  LANES,
  `
  let i = group * ${LANES}u + lane;
  if (i >= p.size) { return; }
  let phi = normal(x[i]);
  y[i] = x[i] * phi;
  ${withSlope ? `slope[i] = phi + x[i] * exp(-0.5 * x[i] * x[i]) * ${1 / Math.sqrt(2 * Math.PI)};` : ''}`,
)}`;

export function registerGelu(): void {
  kernel('LavisGelu', ({ inputs: { x }, backend }) => {
    const y = backend.allocate(x.shape);
    const params = [u32(sizeOf(x))];
    const workgroups = groupsOf(sizeOf(x));
    backend.run({ key: 'gelu', code: () => shader(false), tensors: [x, y], params, workgroups });
    return y;
  });

  kernel('LavisGeluAndSlope', ({ inputs: { x }, backend }) => {
    const [y, slope] = [backend.allocate(x.shape), backend.allocate(x.shape)];
    const params = [u32(sizeOf(x))];
    const workgroups = groupsOf(sizeOf(x));
    const tensors = [x, y, slope];
    backend.run({ key: 'gelu and slope', code: () => shader(true), tensors, params, workgroups });
    return [y, slope];
  });
}
