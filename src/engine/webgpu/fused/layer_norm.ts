import { f32, u32 } from '../backend.js';
import { filled, kernel, sizeOf } from '../kernels.js';
import { CHUNK_FIELDS, chunksOf, overChunks, sumRows } from '../sum_rows.js';
import { bindings, main, reductions } from '../wgsl.js';

/** Threads that share a row. */
const ROW_LANES = 64;

const FORWARD = () => `
${bindings(
  [
    ['x', 'read', 'f32'],
    ['weight', 'read', 'f32'],
    ['bias', 'read', 'f32'],
    ['y', 'read_write', 'f32'],
    ['mean', 'read_write', 'f32'],
    ['scale', 'read_write', 'f32'],
  ],
  { rows: 'u32', width: 'u32', eps: 'f32' },
)}
${reductions(ROW_LANES)}
${main(
  ROW_LANES,
  `
  if (group >= p.rows) { return; }
  let start = group * p.width;
  var part = 0.0;
  for (var c = lane; c < p.width; c += ${ROW_LANES}u) { part += x[start + c]; }
  let middle = sum_of(part, lane) / f32(p.width);
  part = 0.0;
  for (var c = lane; c < p.width; c += ${ROW_LANES}u) {
    let d = x[start + c] - middle;
    part += d * d;
  }
  let factor = inverseSqrt(sum_of(part, lane) / f32(p.width) + p.eps);
  for (var c = lane; c < p.width; c += ${ROW_LANES}u) {
    y[start + c] = (x[start + c] - middle) * factor * weight[c] + bias[c];
  }
  if (lane == 0u) {
    mean[group] = middle;
    scale[group] = factor;
  }`,
)}`;

/** The gradient of x: what the row's mean and variance take away from it. */
const BACKWARD = () => `
${bindings(
  [
    ['dy', 'read', 'f32'],
    ['x', 'read', 'f32'],
    ['weight', 'read', 'f32'],
    ['mean', 'read', 'f32'],
    ['scale', 'read', 'f32'],
    ['dx', 'read_write', 'f32'],
  ],
  { rows: 'u32', width: 'u32' },
)}
${reductions(ROW_LANES)}
${main(
  ROW_LANES,
  `
  if (group >= p.rows) { return; }
  let start = group * p.width;
  var plain = 0.0;
  var along = 0.0;
  for (var c = lane; c < p.width; c += ${ROW_LANES}u) {
    let g = dy[start + c] * weight[c];
    plain += g;
    along += g * (x[start + c] - mean[group]) * scale[group];
  }
  let a = sum_of(plain, lane) / f32(p.width);
  let b = sum_of(along, lane) / f32(p.width);
  for (var c = lane; c < p.width; c += ${ROW_LANES}u) {
    let normal = (x[start + c] - mean[group]) * scale[group];
    dx[start + c] = scale[group] * (dy[start + c] * weight[c] - a - normal * b);
  }`,
)}`;

/** Sums over a chunk of rows of what weight and bias get from each. */
const PARTIAL = () => `
${bindings(
  [
    ['dy', 'read', 'f32'],
    ['x', 'read', 'f32'],
    ['mean', 'read', 'f32'],
    ['scale', 'read', 'f32'],
    ['dweight', 'read_write', 'f32'],
    ['dbias', 'read_write', 'f32'],
  ],
  CHUNK_FIELDS,
)}
${overChunks(
  `var w = 0.0;
  var b = 0.0;`,
  `let d = dy[row * p.width + c];
    w += d * (x[row * p.width + c] - mean[row]) * scale[row];
    b += d;`,
  `dweight[chunk * p.width + c] = w;
  dbias[chunk * p.width + c] = b;`,
)}`;

export function registerLayerNorm(): void {
  kernel<{ eps: number }>('LavisLayerNorm', ({ inputs: { x, weight, bias }, attrs: { eps }, backend }) => {
    const width = sizeOf(weight);
    const rows = sizeOf(x) / width;
    const [y, mean, scale] = [backend.allocate(x.shape), backend.allocate([rows]), backend.allocate([rows])];
    backend.run({
      key: 'layer norm',
      code: FORWARD,
      tensors: [x, weight, bias, y, mean, scale],
      params: [u32(rows), u32(width), f32(eps)],
      workgroups: rows,
    });
    return [y, mean, scale];
  });

  kernel('LavisLayerNormGrad', ({ inputs: { dy, x, weight, mean, scale }, backend }) => {
    const width = sizeOf(weight);
    const rows = sizeOf(x) / width;
    const dx = backend.allocate(x.shape);
    if (rows === 0) return [dx, ...[0, 0].map(() => filled(backend, [width], 0, 'float32'))];
    backend.run({
      key: 'layer norm gradient',
      code: BACKWARD,
      tensors: [dy, x, weight, mean, scale, dx],
      params: [u32(rows), u32(width)],
      workgroups: rows,
    });
    const { chunks, launch } = chunksOf(rows, width);
    const partial = [backend.allocate([chunks, width]), backend.allocate([chunks, width])];
    backend.run({
      key: 'layer norm weights',
      code: PARTIAL,
      tensors: [dy, x, mean, scale, ...partial],
      ...launch,
    });
    const sums = partial.map((part) => {
      const sum = sumRows(backend, part, chunks, width);
      backend.disposeData(part.dataId);
      return sum;
    });
    return [dx, ...sums];
  });
}
