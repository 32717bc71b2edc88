import { u32 } from '../backend.js';
import { kernel, sizeOf } from '../kernels.js';
import { bindings, groupsOf, LANES, main } from '../wgsl.js';

const shader = (operator: string, exclusive: boolean) => `
${bindings(
  [
    ['a', exclusive ? 'read_write' : 'read', 'f32'],
    ['b', 'read', 'f32'],
    ...(exclusive ? [] : [['y', 'read_write', 'f32'] as const]),
  ],
  { size: 'u32' },
)}
${main(
  LANES,
  `
  let i = group * ${LANES}u + lane;
  if (i < p.size) { ${exclusive ? 'a' : 'y'}[i] = a[i] ${operator} b[i]; }`,
)}`;

/** target op x, of one shape, over the target's memory where nobody else holds it. */
function registerInto(name: string, operator: string): void {
  kernel(name, ({ inputs: { target, x }, backend }) => {
    const exclusive = backend.refCount(target.dataId) === 1 && target.dataId !== x.dataId;
    const y = exclusive ? target : backend.allocate(target.shape);
    if (exclusive) backend.incRef(target.dataId);
    backend.run({
      key: `${exclusive ? 'in place' : 'apart'} ${operator}`,
      code: () => shader(operator, exclusive),
      tensors: exclusive ? [target, x] : [target, x, y],
      params: [u32(sizeOf(target))],
      workgroups: groupsOf(sizeOf(target)),
    });
    return { dataId: y.dataId, shape: target.shape, dtype: target.dtype };
  });
}

export function registerInPlace(): void {
  registerInto('LavisAddInto', '+');
  registerInto('LavisMultiplyInto', '*');
}
