import type { CrossEntropyAttrs } from '../../fused/cross_entropy.js';
import { f32, u32 } from '../backend.js';
import { filled, kernel, sizeOf } from '../kernels.js';
import { bindings, LANES, main, reductions } from '../wgsl.js';

const PARAMS = { rows: 'u32', classes: 'u32', smoothing: 'f32', ignored: 'u32' } as const;

/** Log-probabilities of a row, and its loss. */
const ROWS = () => `
${bindings(
  [
    ['logits', 'read', 'f32'],
    ['labels', 'read', 'i32'],
    ['log_p', 'read_write', 'f32'],
    ['losses', 'read_write', 'f32'],
  ],
  PARAMS,
)}
${reductions(LANES)}
${main(
  LANES,
  `
  if (group >= p.rows) { return; }
  let start = group * p.classes;
  var largest = -3.402823e38;
  for (var c = lane; c < p.classes; c += ${LANES}u) { largest = max(largest, logits[start + c]); }
  largest = max_of(largest, lane);
  var part = 0.0;
  for (var c = lane; c < p.classes; c += ${LANES}u) { part += exp(logits[start + c] - largest); }
  let shift = largest + log(sum_of(part, lane));
  part = 0.0;
  for (var c = lane; c < p.classes; c += ${LANES}u) {
    let value = logits[start + c] - shift;
    log_p[start + c] = value;
    part += value;
  }
  let all = sum_of(part, lane);
  let label = labels[group];
  if (lane == 0u) {
    losses[group] = 0.0;
    if (label != bitcast<i32>(p.ignored)) {
      let own = logits[start + u32(label)] - shift;
      losses[group] = -(1.0 - p.smoothing) * own - p.smoothing * all / f32(p.classes);
    }
  }`,
)}`;

const COUNT = `
  var counted = 0.0;
  for (var row = lane; row < p.rows; row += ${LANES}u) {
    counted += select(0.0, 1.0, labels[row] != bitcast<i32>(p.ignored));
  }
  let count = sum_of(counted, lane);`;

const MEAN = () => `
${bindings(
  [
    ['losses', 'read', 'f32'],
    ['labels', 'read', 'i32'],
    ['value', 'read_write', 'f32'],
  ],
  PARAMS,
)}
${reductions(LANES)}
${main(
  LANES,
  `${COUNT}
  var part = 0.0;
  for (var row = lane; row < p.rows; row += ${LANES}u) { part += losses[row]; }
  let total = sum_of(part, lane);
  if (lane == 0u) { value[0] = total / count; }`,
)}`;

const GRADIENT = () => `
${bindings(
  [
    ['labels', 'read', 'i32'],
    ['log_p', 'read', 'f32'],
    ['dy', 'read', 'f32'],
    ['dlogits', 'read_write', 'f32'],
  ],
  PARAMS,
)}
${reductions(LANES)}
${main(
  LANES,
  `
  if (group >= p.rows) { return; }
  ${COUNT}
  let label = labels[group];
  let factor = select(0.0, dy[0] / count, label != bitcast<i32>(p.ignored));
  let start = group * p.classes;
  for (var c = lane; c < p.classes; c += ${LANES}u) {
    let wanted = select(0.0, 1.0 - p.smoothing, i32(c) == label) + p.smoothing / f32(p.classes);
    dlogits[start + c] = factor * (exp(log_p[start + c]) - wanted);
  }`,
)}`;

export function registerCrossEntropy(): void {
  kernel<CrossEntropyAttrs>('LavisCrossEntropy', ({ inputs: { logits, labels }, attrs, backend }) => {
    const [rows] = logits.shape;
    const logP = backend.allocate(logits.shape);
    if (sizeOf(logits) === 0) return [filled(backend, [], Number.NaN, 'float32'), logP];
    const [losses, value] = [backend.allocate([rows]), backend.allocate([])];
    const params = paramsOf(logits.shape, attrs);
    const tensors = [logits, labels, logP, losses];
    backend.run({ key: 'cross entropy', code: ROWS, tensors, params, workgroups: rows });
    const mean = [losses, labels, value];
    backend.run({ key: 'cross entropy mean', code: MEAN, tensors: mean, params, workgroups: 1 });
    backend.disposeData(losses.dataId);
    return [value, logP];
  });

  kernel<CrossEntropyAttrs>('LavisCrossEntropyGrad', ({ inputs: { labels, logP, dy }, attrs, backend }) => {
    const dlogits = backend.allocate(logP.shape);
    backend.run({
      key: 'cross entropy gradient',
      code: GRADIENT,
      tensors: [labels, logP, dy, dlogits],
      params: paramsOf(logP.shape, attrs),
      workgroups: logP.shape[0],
    });
    return dlogits;
  });
}

const paramsOf = ([rows, classes]: number[], { labelSmoothing, ignoreIndex }: CrossEntropyAttrs) => [
  u32(rows),
  u32(classes),
  f32(labelSmoothing),
  u32(ignoreIndex),
];
