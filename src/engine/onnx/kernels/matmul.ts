import { tf } from '../../tf.js';
import type { OnnxBackend } from '../backend.js';
import { contrib, type GraphSpec, node } from '../messages.js';
import { allFloat, replaceCpuKernel } from '../override.js';
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
  const turned = transposeA && !transposeB ? betterTurned(a, b) : undefined;
  if (turned === 'left') {
    withTurned(backend, a, (left) => runMatMul(backend, left, b, y, false, false));
    return;
  }
  if (turned === 'result') {
    withTurned(backend, b, (right) => {
      withMemory(backend, [y.dims[1], y.dims[0]], (result) => {
        runMatMul(backend, right, a, result, false, false);
        runTranspose(backend, result, y);
      });
    });
    return;
  }
  const attributes = { transA: Number(transposeA), transB: Number(transposeB) };
  const spec = (): GraphSpec => ({
    inputs: { a: 'float32', b: 'float32' },
    outputs: { y: 'float32' },
    nodes: [contrib('FusedMatMul', ['a', 'b'], 'y', attributes)],
  });
  const run = (left: OrtValue, to: OrtValue) =>
    backend.sessions.run(`MatMul ${transposeA} ${transposeB}`, spec, { a: left, b }, { y: to });
  if (transposeA || b.dims.length !== 2) run(a, y);
  else inPieces(a, y, run);
}

/**
 * Rows of a product made at a time. The product goes over all rows for every 128 columns and every 128 of what is
 * summed: of fewer rows what it adds to is still in the cache. 4 to 10 % faster.
 */
const MOST_ROWS = 800;

/** Calls `run` for pieces of x and y, [rows, columns], that follow each other: equal ones, of at most `most`. */
export function inPieces(
  x: OrtValue,
  y: OrtValue,
  run: (x: OrtValue, y: OrtValue) => void,
  most = MOST_ROWS,
): void {
  const [rows] = x.dims;
  if (x.dims.length !== 2 || rows <= most) {
    run(x, y);
    return;
  }
  const size = Math.ceil(rows / Math.ceil(rows / most));
  for (let start = 0; start < rows; start += size) {
    const count = Math.min(size, rows - start);
    const part = ({ data, dims: [, columns] }: OrtValue) =>
      ort(data.subarray(start * columns, (start + count) * columns), [count, columns]);
    run(part(x), part(y));
  }
}

/** Widths whose rows fall on each other in the cache, so that turning many of them takes what the product gains. */
const turnsSlowly = (rows: number, columns: number) => rows > 1024 && columns > 1024 && columns < 8192;

/**
 * What of aᵀ b is better transposed by itself. The product would transpose its left side again for every 128
 * columns of the right side; bᵀ a gives the result's transpose.
 */
function betterTurned(a: OrtValue, b: OrtValue): 'left' | 'result' | undefined {
  if (a.dims.length !== 2 || b.dims.length !== 2) return undefined;
  const [[rows, columns], [, others]] = [a.dims, b.dims];
  if (rows < 64 || others < 256) return undefined;
  if (!turnsSlowly(rows, columns)) return 'left';
  return turnsSlowly(rows, others) ? undefined : 'result';
}

/** Calls `run` with a matrix in memory that is given back afterwards. */
function withMemory(backend: OnnxBackend, dims: readonly number[], run: (matrix: OrtValue) => void): void {
  const memory = backend.pool.take(4 * dims[0] * dims[1]);
  try {
    run(ort(new Float32Array(memory), dims));
  } finally {
    backend.pool.give(memory);
  }
}

/** Calls `run` with the transpose of a matrix. */
function withTurned(backend: OnnxBackend, x: OrtValue, run: (turned: OrtValue) => void): void {
  withMemory(backend, [x.dims[1], x.dims[0]], (turned) => {
    runTranspose(backend, x, turned);
    run(turned);
  });
}

function runTranspose(backend: OnnxBackend, x: OrtValue, y: OrtValue): void {
  const spec = (): GraphSpec => ({
    inputs: { x: 'float32' },
    outputs: { y: 'float32' },
    nodes: [node('Transpose', 'x', 'y', { perm: [1, 0] })],
  });
  backend.sessions.run('Transpose float32 1,0', spec, { x }, { y });
}

export function registerMatMul(): void {
  replaceCpuKernel<{ transposeA: boolean; transposeB: boolean }>(
    tf.BatchMatMul,
    ({ inputs, attrs, backend }) => {
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
    },
  );
}
