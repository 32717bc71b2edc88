import { tf } from '../../tf.js';
import type { OnnxBackend } from '../backend.js';
import { contrib, type GraphSpec } from '../messages.js';
import { allFloat, override } from '../override.js';
import type { OrtValue } from '../sessions.js';

/** y = a b over the last two axes, either side transposed; batch axes are broadcast. */
export function runMatMul(
  backend: OnnxBackend,
  a: OrtValue,
  b: OrtValue,
  y: OrtValue,
  transposeA: boolean,
  transposeB: boolean,
): void {
  const attributes = { transA: Number(transposeA), transB: Number(transposeB) };
  const spec = (): GraphSpec => ({
    inputs: { a: 'float32', b: 'float32' },
    outputs: { y: 'float32' },
    nodes: [contrib('FusedMatMul', ['a', 'b'], 'y', attributes)],
  });
  backend.sessions.run(`MatMul ${transposeA} ${transposeB}`, spec, { a, b }, { y });
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
