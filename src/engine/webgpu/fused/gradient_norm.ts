import { f32, u32 } from '../backend.js';
import { kernel, sizeOf } from '../kernels.js';
import { bindings, LANES, main, reductions } from '../wgsl.js';

/** Numbers that one thread adds up before it shares its sum. */
const EACH = 64;

const shader = (squared: boolean) => `
${bindings(
  [
    ['x', 'read', 'f32'],
    ['sums', 'read_write', 'f32'],
  ],
  { size: 'u32', groups: 'u32' },
)}
${reductions(LANES)}
${main(
  LANES,
  `
  if (group >= p.groups) { return; }
  var part = 0.0;
  for (var i = group * ${LANES}u + lane; i < p.size; i += p.groups * ${LANES}u) {
    part += ${squared ? 'x[i] * x[i]' : 'x[i]'};
  }
  let sum = sum_of(part, lane);
  if (lane == 0u) { sums[group] = sum; }`,
)}`;

export function registerSumOfSquares(): void {
  kernel('LavisSumOfSquares', ({ inputs: { x }, backend }) => {
    const size = sizeOf(x);
    const groups = Math.min(1024, Math.max(1, Math.ceil(size / (LANES * EACH))));
    const [parts, sum] = [backend.allocate([groups]), backend.allocate([])];
    backend.run({
      key: 'sum of squares',
      code: () => shader(true),
      tensors: [x, groups === 1 ? sum : parts],
      params: [u32(size), u32(groups)],
      workgroups: groups,
    });
    if (groups > 1) {
      const params = [u32(groups), u32(1)];
      backend.run({ key: 'sum', code: () => shader(false), tensors: [parts, sum], params, workgroups: 1 });
    }
    backend.disposeData(parts.dataId);
    return sum;
  });
}

/** WGSL may take for granted that no float is infinite or NaN: the bits of the sum are looked at. */
const SHADER = () => `
${bindings(
  [
    ['sums', 'read', 'f32'],
    ['norm', 'read_write', 'f32'],
    ['factor', 'read_write', 'f32'],
  ],
  { size: 'u32', scale: 'f32', most: 'f32' },
)}
${reductions(LANES)}
${main(
  LANES,
  `
  var part = 0.0;
  for (var i = lane; i < p.size; i += ${LANES}u) { part += sums[i]; }
  let total = sum_of(part, lane);
  if (lane != 0u) { return; }
  let finite = (bitcast<u32>(total) & 0x7f800000u) != 0x7f800000u;
  let length = sqrt(total) * p.scale;
  norm[0] = length;
  factor[0] = select(0.0, p.scale * min(1.0, p.most / (length + 1e-6)), finite);`,
)}`;

/** Stands for no limit: no norm of float32 sums is larger. */
const NO_LIMIT = 3e38;

export function registerUpdateFactor(): void {
  kernel<{ scale: number; maxNorm: number }>(
    'LavisUpdateFactor',
    ({ inputs: { sums }, attrs: { scale, maxNorm }, backend }) => {
      const [norm, factor] = [backend.allocate([]), backend.allocate([])];
      backend.run({
        key: 'update factor',
        code: SHADER,
        tensors: [sums, norm, factor],
        params: [u32(sizeOf(sums)), f32(scale), f32(Math.min(maxNorm, NO_LIMIT))],
        workgroups: 1,
      });
      return [norm, factor];
    },
  );
}
