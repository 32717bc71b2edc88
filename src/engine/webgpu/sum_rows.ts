import type { tf } from '../tf.js';
import { type LavisWebGpuBackend, u32 } from './backend.js';
import { bindings, groupsOf, LANES, main } from './wgsl.js';

/** Rows that one thread adds up. */
const CHUNK = 64;

const SHADER = () => `
${bindings(
  [
    ['x', 'read', 'f32'],
    ['y', 'read_write', 'f32'],
  ],
  { rows: 'u32', width: 'u32', blocks: 'u32', chunks: 'u32' },
)}
${main(
  LANES,
  `
  let c = (group % p.blocks) * ${LANES}u + lane;
  let chunk = group / p.blocks;
  if (c >= p.width || chunk >= p.chunks) { return; }
  var sum = 0.0;
  for (var row = chunk * ${CHUNK}u; row < min(p.rows, (chunk + 1u) * ${CHUNK}u); row++) {
    sum += x[row * p.width + c];
  }
  y[chunk * p.width + c] = sum;`,
)}`;

/** The sum of all rows: chunks of them in parallel, then chunks of their sums. @param x [rows, width] */
export function sumRows(
  backend: LavisWebGpuBackend,
  x: tf.TensorInfo,
  rows: number,
  width: number,
): tf.TensorInfo {
  const [chunks, blocks] = [groupsOf(rows, CHUNK), groupsOf(width)];
  const y = backend.allocate([chunks, width]);
  backend.run({
    key: 'sum rows',
    code: SHADER,
    tensors: [x, y],
    params: [u32(rows), u32(width), u32(blocks), u32(chunks)],
    workgroups: chunks * blocks,
  });
  if (chunks === 1) return { dataId: y.dataId, shape: [width], dtype: 'float32' };
  const sum = sumRows(backend, y, chunks, width);
  backend.disposeData(y.dataId);
  return sum;
}
