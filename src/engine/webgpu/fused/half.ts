import { u32 } from '../backend.js';
import { kernel, sizeOf } from '../kernels.js';
import { bindings, groupsOf, LANES, main } from '../wgsl.js';
import { registerMatMulHalf } from './matmul_half.js';

/** WGSL leaves open what pack2x16float makes of numbers beyond float16: they become infinite, or stay NaN. */
const PACK = () => `
${bindings(
  [
    ['x', 'read', 'f32'],
    ['half', 'read_write', 'u32'],
  ],
  { size: 'u32', pairs: 'u32' },
)}
fn beyond(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  let magnitude = bits & 0x7fffffffu;
  let special = ((bits >> 16u) & 0x8000u) | select(0x7c00u, 0x7e00u, magnitude > 0x7f800000u);
  return select(0u, special, magnitude >= 0x477ff000u); // 65520 is nearer to 65536 than to 65504
}
fn pair(a: f32, b: f32) -> u32 {
  let within = vec2<f32>(clamp(a, -65504.0, 65504.0), clamp(b, -65504.0, 65504.0));
  let packed = pack2x16float(within);
  let low = beyond(a);
  let high = beyond(b);
  return select(packed & 0xffffu, low, low != 0u) | (select(packed >> 16u, high, high != 0u) << 16u);
}
${main(
  LANES,
  `
  let i = group * ${LANES}u + lane;
  if (i >= p.pairs) { return; }
  var second = 0.0;
  if (2u * i + 1u < p.size) { second = x[2u * i + 1u]; }
  half[i] = pair(x[2u * i], second);`,
)}`;

const UNPACK = () => `
${bindings(
  [
    ['half', 'read', 'u32'],
    ['x', 'read_write', 'f32'],
  ],
  { size: 'u32' },
)}
${main(
  LANES,
  `
  let i = group * ${LANES}u + lane;
  if (2u * i >= p.size) { return; }
  let values = unpack2x16float(half[i]);
  x[2u * i] = values.x;
  if (2u * i + 1u < p.size) { x[2u * i + 1u] = values.y; }`,
)}`;

export function registerHalf(): void {
  kernel('LavisPackHalf', ({ inputs: { x }, backend }) => {
    const [size, pairs] = [sizeOf(x), Math.ceil(sizeOf(x) / 2)];
    const half = backend.allocate([pairs], 'int32');
    const params = [u32(size), u32(pairs)];
    const workgroups = groupsOf(pairs);
    backend.run({ key: 'to float16', code: PACK, tensors: [x, half], params, workgroups });
    return half;
  });

  kernel<{ shape: number[] }>('LavisUnpackHalf', ({ inputs: { half }, attrs: { shape }, backend }) => {
    const x = backend.allocate(shape);
    const params = [u32(sizeOf(x))];
    const workgroups = groupsOf(sizeOf(half));
    backend.run({ key: 'from float16', code: UNPACK, tensors: [half, x], params, workgroups });
    return x;
  });

  registerMatMulHalf();
}
