import { u32 } from '../backend.js';
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
