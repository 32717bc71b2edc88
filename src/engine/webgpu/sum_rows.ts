import type { tf } from '../tf.js';
import { type LavisWebGpuBackend, u32 } from './backend.js';
import { bindings, groupsOf, LANES, main } from './wgsl.js';

/** Rows that one thread adds up. */
const CHUNK = 64;

/** The fields of a shader that adds up chunks of rows. */
export const CHUNK_FIELDS = { rows: 'u32', width: 'u32', blocks: 'u32', chunks: 'u32' } as const;

/** Adds up chunks of rows, a thread for each column `c` of each `chunk`: `each` has a `row`, `end` the sums. */
export const overChunks = (start: string, each: string, end: string): string =>
  main(
    LANES,
    `
  let c = (group % p.blocks) * ${LANES}u + lane;
  let chunk = group / p.blocks;
  if (c >= p.width || chunk >= p.chunks) { return; }
  ${start}
  for (var row = chunk * ${CHUNK}u; row < min(p.rows, (chunk + 1u) * ${CHUNK}u); row++) {
    ${each}
  }
  ${end}`,
  );

/** How many chunks there are, and what a shader of `overChunks` is run with. */
export function chunksOf(rows: number, width: number) {
  const [chunks, blocks] = [groupsOf(rows, CHUNK), groupsOf(width)];
  const params = [u32(rows), u32(width), u32(blocks), u32(chunks)];
  return { chunks, launch: { params, workgroups: chunks * blocks } };
}

const SHADER = () => `
${bindings(
  [
    ['x', 'read', 'f32'],
    ['y', 'read_write', 'f32'],
  ],
  CHUNK_FIELDS,
)}
${overChunks('var sum = 0.0;', 'sum += x[row * p.width + c];', 'y[chunk * p.width + c] = sum;')}`;

/** The sum of all rows: chunks of them in parallel, then chunks of their sums. @param x [rows, width] */
export function sumRows(
  backend: LavisWebGpuBackend,
  x: tf.TensorInfo,
  rows: number,
  width: number,
): tf.TensorInfo {
  const { chunks, launch } = chunksOf(rows, width);
  const y = backend.allocate([chunks, width]);
  backend.run({ key: 'sum rows', code: SHADER, tensors: [x, y], ...launch });
  if (chunks === 1) return { dataId: y.dataId, shape: [width], dtype: 'float32' };
  const sum = sumRows(backend, y, chunks, width);
  backend.disposeData(y.dataId);
  return sum;
}
