import { tf } from '../../tf.js';
import type { OnnxBackend } from '../backend.js';
import { contrib, type GraphSpec, node } from '../messages.js';
import { allFloat, override } from '../override.js';
import { type OrtValue, ort } from '../sessions.js';

/** y = a b over the last two axes, either side transposed; batch axes are broadcast. */
export function runMatMul(
  backend: OnnxBackend,
  a: OrtValue,
  b: OrtValue,
  y: OrtValue,
  transposeA: boolean,
  transposeB: boolean,
): void {
  if (transposeA && !transposeB && paysToTurn(a)) {
    withTurned(backend, a, (turned) => {
      runMatMul(backend, turned, b, y, false, false);
    });
    return;
  }
  const attributes = { transA: Number(transposeA), transB: Number(transposeB) };
  const spec = (): GraphSpec => ({
    inputs: { a: 'float32', b: 'float32' },
    outputs: { y: 'float32' },
    nodes: [contrib('FusedMatMul', ['a', 'b'], 'y', attributes)],
  });
  backend.sessions.run(`MatMul ${transposeA} ${transposeB}`, spec, { a, b }, { y });
}

/**
 * Whether a left side is better transposed beforehand: the product would do so again for every 128 columns of
 * the right side. Not between these widths, whose rows fall on each other in the cache.
 */
function paysToTurn({ dims }: OrtValue): boolean {
  const [rows, columns] = dims;
  return dims.length === 2 && rows >= 64 && (columns <= 1024 || columns >= 8192);
}

/** Calls `run` with the transpose of a matrix, in memory that is given back afterwards. */
function withTurned(backend: OnnxBackend, x: OrtValue, run: (turned: OrtValue) => void): void {
  const [rows, columns] = x.dims;
  const memory = backend.pool.take(4 * rows * columns);
  const turned = ort(new Float32Array(memory), [columns, rows]);
  const spec = (): GraphSpec => ({
    inputs: { x: 'float32' },
    outputs: { y: 'float32' },
    nodes: [node('Transpose', 'x', 'y', { perm: [1, 0] })],
  });
  try {
    backend.sessions.run('Transpose float32 1,0', spec, { x }, { y: turned });
    run(turned);
  } finally {
    backend.pool.give(memory);
  }
}

export function registerMatMul(): void {
  override<{ transposeA: boolean; transposeB: boolean }>(tf.BatchMatMul, ({ inputs, attrs, backend }) => {
    const { a, b } = inputs;
    const { transposeA, transposeB } = attrs;
    if (!allFloat(a, b)) return undefined;
    const rows = a.shape.at(transposeA ? -1 : -2)!;
    const columns = b.shape.at(transposeB ? -2 : -1)!;
    const [inner, other] = [a.shape.at(transposeA ? -2 : -1)!, b.shape.at(transposeB ? -1 : -2)!];
    if (inner !== other) return undefined; // the cpu kernel says what is wrong
    const batch = tf.backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
    const y = backend.allocate([...batch, rows, columns]);
    runMatMul(backend, backend.ort(a), backend.ort(b), backend.ort(y), transposeA, transposeB);
    return y;
  });
}
