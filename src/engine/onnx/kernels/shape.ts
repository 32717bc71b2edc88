import { tf } from '../../tf.js';
import type { NumericType, OnnxBackend } from '../backend.js';
import { type GraphSpec, node } from '../messages.js';
import { type KernelCall, replaceCpuKernel } from '../override.js';
import { int64, ort } from '../sessions.js';

const NUMERIC = new Set(['float32', 'int32', 'bool']);
const isNumeric = (dtype: string): dtype is NumericType => NUMERIC.has(dtype);

export function registerShape(): void {
  replaceCpuKernel(tf.Transpose, transposeKernel);
  replaceCpuKernel(tf.Slice, sliceKernel);
  replaceCpuKernel(tf.SplitV, splitKernel);
  replaceCpuKernel(tf.Concat, concatKernel);
  replaceCpuKernel(tf.Fill, fillKernel);
  replaceCpuKernel(tf.PadV2, padKernel);
  replaceCpuKernel(tf.Tile, tileKernel);
  replaceCpuKernel(tf.GatherV2, gatherKernel);
  replaceCpuKernel(tf.TopK, topKKernel);
  replaceCpuKernel(tf.UnsortedSegmentSum, segmentSumKernel);
}

function transposeKernel({ inputs: { x }, attrs: { perm }, backend }: KernelCall<{ perm: number[] }>) {
  if (!isNumeric(x.dtype)) return undefined;
  const { dtype } = x;
  const shape = perm.map((axis) => x.shape[axis]);
  // Only axes of size 1 move: the data stays as it is.
  const moving = perm.filter((axis) => x.shape[axis] !== 1);
  if (moving.every((axis, i) => i === 0 || axis > moving[i - 1])) return backend.view(x, shape);
  const y = backend.allocate(shape, dtype);
  const spec = (): GraphSpec => ({
    inputs: { x: dtype },
    outputs: { y: dtype },
    nodes: [node('Transpose', 'x', 'y', { perm })],
  });
  backend.sessions.run(`Transpose ${dtype} ${perm}`, spec, { x: backend.ort(x) }, { y: backend.ort(y) });
  return y;
}

/** A copy of part of a tensor. */
function slice(
  backend: OnnxBackend,
  x: tf.TensorInfo,
  dtype: NumericType,
  begin: number[],
  size: number[],
): tf.TensorInfo {
  const y = backend.allocate(size, dtype);
  const spec = (): GraphSpec => ({
    inputs: { x: dtype, starts: 'int64', ends: 'int64' },
    outputs: { y: dtype },
    nodes: [node('Slice', ['x', 'starts', 'ends'], 'y')],
  });
  const feeds = {
    x: backend.ort(x),
    starts: int64(begin),
    ends: int64(begin.map((b, axis) => b + size[axis])),
  };
  backend.sessions.run(`Slice ${dtype}`, spec, feeds, { y: backend.ort(y) });
  return y;
}

function sliceKernel({
  inputs: { x },
  attrs,
  backend,
}: KernelCall<{ begin: number | number[]; size: number | number[] }>) {
  if (!isNumeric(x.dtype) || x.shape.length === 0) return undefined;
  const [begin, size] = tf.slice_util.parseSliceParams(x as tf.Tensor, attrs.begin, attrs.size);
  tf.slice_util.assertParamsValid(x as tf.Tensor, begin, size);
  if (size.includes(0)) return undefined;
  if (tf.util.arraysEqual(size, x.shape)) return backend.view(x, x.shape);
  return slice(backend, x, x.dtype, begin, size);
}

function splitKernel({
  inputs: { x },
  attrs,
  backend,
}: KernelCall<{ numOrSizeSplits: number | number[]; axis: number }>) {
  const { dtype } = x;
  if (!isNumeric(dtype)) return undefined;
  const [axis] = tf.util.parseAxisParam(attrs.axis, x.shape);
  const sizes = tf.backend_util.prepareSplitSize(x as tf.Tensor, attrs.numOrSizeSplits, axis);
  if (sizes.includes(0)) return undefined;
  const begin = x.shape.map(() => 0);
  return sizes.map((n) => {
    const size = x.shape.with(axis, n);
    const part = slice(backend, x, dtype, begin, size);
    begin[axis] += n;
    return part;
  });
}

function concatKernel({ inputs, attrs, backend }: KernelCall<{ axis: number }>) {
  const tensors = Object.values(inputs);
  const { dtype } = tensors[0];
  if (!isNumeric(dtype) || tensors.some((x) => x.dtype !== dtype)) return undefined;
  const [axis] = tf.util.parseAxisParam(attrs.axis, tensors[0].shape);
  const shapes = tensors.map((x) => x.shape);
  tf.backend_util.assertParamsConsistent(shapes, axis);
  if (tensors.length === 1) return backend.view(tensors[0], tensors[0].shape);
  const y = backend.allocate(tf.backend_util.computeOutShape(shapes, axis), dtype);
  const names = tensors.map((_, i) => `x${i}`);
  const spec = (): GraphSpec => ({
    inputs: Object.fromEntries(names.map((name) => [name, dtype])),
    outputs: { y: dtype },
    nodes: [node('Concat', names, 'y', { axis })],
  });
  const feeds = Object.fromEntries(tensors.map((x, i) => [names[i], backend.ort(x)]));
  backend.sessions.run(`Concat ${dtype} ${axis} ${tensors.length}`, spec, feeds, { y: backend.ort(y) });
  return y;
}

/** Zeros, as large as a model's moments are. */
function fillKernel({
  attrs: { shape, value, dtype },
  backend,
}: KernelCall<{ shape: number[]; value: number | string; dtype: tf.DataType }>) {
  return value === 0 && dtype === 'float32' ? backend.allocateZeros(shape) : undefined;
}

function padKernel({
  inputs: { x },
  attrs: { paddings, constantValue },
  backend,
}: KernelCall<{ paddings: [number, number][]; constantValue: number }>) {
  if (x.dtype !== 'float32' || x.shape.length === 0) return undefined;
  if (paddings.every(([before, after]) => before === 0 && after === 0)) return backend.view(x, x.shape);
  const y = backend.allocate(x.shape.map((n, axis) => n + paddings[axis][0] + paddings[axis][1]));
  const spec = (): GraphSpec => ({
    inputs: { x: 'float32', pads: 'int64', value: 'float32' },
    outputs: { y: 'float32' },
    nodes: [node('Pad', ['x', 'pads', 'value'], 'y')],
  });
  const feeds = {
    x: backend.ort(x),
    pads: int64([...paddings.map(([before]) => before), ...paddings.map(([, after]) => after)]),
    value: ort(Float32Array.of(constantValue), []),
  };
  backend.sessions.run('Pad', spec, feeds, { y: backend.ort(y) });
  return y;
}

function tileKernel({ inputs: { x }, attrs: { reps }, backend }: KernelCall<{ reps: number[] }>) {
  const { dtype } = x;
  if (!isNumeric(dtype) || x.shape.length === 0 || reps.includes(0)) return undefined;
  if (reps.every((n) => n === 1)) return backend.view(x, x.shape);
  const y = backend.allocate(
    x.shape.map((n, axis) => n * reps[axis]),
    dtype,
  );
  const spec = (): GraphSpec => ({
    inputs: { x: dtype, reps: 'int64' },
    outputs: { y: dtype },
    nodes: [node('Tile', ['x', 'reps'], 'y')],
  });
  const feeds = { x: backend.ort(x), reps: int64(reps) };
  backend.sessions.run(`Tile ${dtype}`, spec, feeds, { y: backend.ort(y) });
  return y;
}

function gatherKernel({
  inputs: { x, indices },
  attrs,
  backend,
}: KernelCall<{ axis: number; batchDims: number }>) {
  const { dtype } = x;
  if (!isNumeric(dtype) || indices.dtype !== 'int32' || attrs.batchDims) return undefined;
  const [axis] = tf.util.parseAxisParam(attrs.axis, x.shape);
  const bound = x.shape[axis];
  if (backend.values(indices).some((i) => (i as number) < 0 || (i as number) >= bound)) return undefined;
  const y = backend.allocate(
    [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)],
    dtype,
  );
  const spec = (): GraphSpec => ({
    inputs: { x: dtype, indices: 'int32' },
    outputs: { y: dtype },
    nodes: [node('Gather', ['x', 'indices'], 'y', { axis })],
  });
  const feeds = { x: backend.ort(x), indices: backend.ort(indices) };
  backend.sessions.run(`Gather ${dtype} ${axis}`, spec, feeds, { y: backend.ort(y) });
  return y;
}

function topKKernel({ inputs: { x }, attrs, backend }: KernelCall<{ k: number; sorted: boolean }>) {
  const width = x.shape.at(-1) ?? 0;
  if (x.dtype !== 'float32' || attrs.k < 1 || attrs.k > width) return undefined;
  const shape = [...x.shape.slice(0, -1), attrs.k];
  const [y, indices] = [backend.allocate(shape), backend.allocate(shape, 'int32')];
  const spec = (): GraphSpec => ({
    inputs: { x: 'float32', k: 'int64' },
    outputs: { y: 'float32', indices: 'int32' },
    nodes: [
      node('TopK', ['x', 'k'], ['y', 'long'], { axis: -1, sorted: 1 }),
      node('Cast', 'long', 'indices', { to: 6 }),
    ],
  });
  const feeds = { x: backend.ort(x), k: int64([attrs.k]) };
  backend.sessions.run('TopK', spec, feeds, { y: backend.ort(y), indices: backend.ort(indices) });
  return [y, indices];
}

/** Sums rows by their segment: the gradient of an embedding. */
function segmentSumKernel({
  inputs: { x, segmentIds },
  attrs: { numSegments },
  backend,
}: KernelCall<{ numSegments: number }>) {
  if (x.dtype !== 'float32' || segmentIds.dtype !== 'int32' || segmentIds.shape.length !== 1)
    return undefined;
  const y = backend.allocate([numSegments, ...x.shape.slice(1)]);
  const [from, ids, to] = [x, segmentIds, y].map((info) => backend.values(info) as Float32Array);
  to.fill(0);
  const width = from.length / ids.length;
  ids.forEach((id, row) => {
    if (id < 0 || id >= numSegments) return;
    for (let i = 0; i < width; i++) to[id * width + i] += from[row * width + i];
  });
  return y;
}
