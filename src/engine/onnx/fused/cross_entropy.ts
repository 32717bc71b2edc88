import type { CrossEntropyAttrs } from '../../fused/cross_entropy.js';
import { type GraphSpec, node } from '../messages.js';
import { type KernelCall, kernel } from '../override.js';
import { ort, scalar } from '../sessions.js';

const LOG_SOFTMAX = (): GraphSpec => ({
  inputs: { x: 'float32' },
  outputs: { y: 'float32' },
  nodes: [node('LogSoftmax', 'x', 'y', { axis: -1 })],
});

/** (p - share) * factor: the gradient but for the labels' own logits. */
const BACKWARD = (): GraphSpec => ({
  inputs: { log_p: 'float32', share: 'float32', factor: 'float32' },
  outputs: { y: 'float32' },
  nodes: [
    node('Exp', 'log_p', 'p'),
    node('Sub', ['p', 'share'], 'difference'),
    node('Mul', ['difference', 'factor'], 'y'),
  ],
});

export function registerCrossEntropy(): void {
  kernel<CrossEntropyAttrs>('LavisCrossEntropy', (call) => {
    const { inputs, attrs, backend } = call;
    const { logits, labels } = inputs;
    const classes = logits.shape[1];
    const rows = countedRows(call);
    // Only the rows that count are kept, for the gradient.
    const logP = backend.allocate([rows.length, classes]);
    const to = backend.values(logP) as Float32Array;
    const from = backend.values(logits) as Float32Array;
    rows.forEach((row, i) => {
      to.set(from.subarray(row * classes, (row + 1) * classes), i * classes);
    });
    if (to.length > 0) {
      const whole = ort(to, logP.shape);
      backend.sessions.run('CrossEntropy', LOG_SOFTMAX, { x: whole }, { y: whole });
    }
    const targets = backend.values(labels) as Int32Array;
    let loss = 0;
    rows.forEach((row, i) => {
      const base = i * classes;
      let sum = 0;
      if (attrs.labelSmoothing > 0) for (let j = 0; j < classes; j++) sum += to[base + j];
      loss -= (1 - attrs.labelSmoothing) * to[base + targets[row]] + (attrs.labelSmoothing / classes) * sum;
    });
    const value = backend.allocate([]);
    (backend.values(value) as Float32Array)[0] = loss / rows.length;
    return [value, logP];
  });

  kernel<CrossEntropyAttrs>('LavisCrossEntropyGrad', (call) => {
    const { inputs, attrs, backend } = call;
    const { labels, logP, dy } = inputs;
    const classes = logP.shape[1];
    const rows = countedRows(call);
    const grad = backend.allocate([labels.shape[0], classes]);
    const to = (backend.values(grad) as Float32Array).fill(0);
    const factor = (backend.values(dy)[0] as number) / rows.length;
    const share = attrs.labelSmoothing / classes;
    const from = backend.values(logP) as Float32Array;
    const targets = backend.values(labels) as Int32Array;
    const scalars = { share: scalar(share), factor: scalar(factor) };
    for (const { row, index, count } of runs(rows)) {
      const part = (values: Float32Array, first: number) =>
        ort(values.subarray(first * classes, (first + count) * classes), [count, classes]);
      const feeds = { log_p: part(from, index), ...scalars };
      backend.sessions.run('CrossEntropyGrad', BACKWARD, feeds, { y: part(to, row) });
    }
    for (const row of rows) to[row * classes + targets[row]] -= (1 - attrs.labelSmoothing) * factor;
    return grad;
  });
}

/** The rows whose label counts. @throws RangeError where a label is no class */
function countedRows({ inputs: { logits, logP, labels }, attrs, backend }: KernelCall<CrossEntropyAttrs>) {
  const classes = (logits ?? logP).shape[1];
  const rows: number[] = [];
  (backend.values(labels) as Int32Array).forEach((label, row) => {
    if (label === attrs.ignoreIndex) return;
    if (label < 0 || label >= classes) {
      throw new RangeError(`label ${label} of row ${row} is not one of ${classes} classes`);
    }
    rows.push(row);
  });
  return rows;
}

/** Stretches of rows that follow each other: `index` counts among the rows that count. */
function* runs(rows: number[]): Generator<{ row: number; index: number; count: number }> {
  for (let index = 0; index < rows.length; ) {
    let count = 1;
    while (rows[index + count] === rows[index] + count) count++;
    yield { row: rows[index], index, count };
    index += count;
  }
}
