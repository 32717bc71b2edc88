import type { HalfProduct } from '#src/engine/fused/half.js';

/** A product of matrices by plain loops, in double precision. */
export function product(a: ArrayLike<number>, b: ArrayLike<number>, shape: HalfProduct): Float32Array {
  return Float32Array.from({ length: shape.rows * shape.columns }, (_, at) => productAt(at, a, b, shape));
}

/** Number `at` of that product, counted along its rows. */
export function productAt(
  at: number,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  { rows, columns, depth, transposeA, transposeB }: HalfProduct,
): number {
  const [row, column] = [Math.floor(at / columns), at % columns];
  let sum = 0;
  for (let k = 0; k < depth; k++) {
    const left = a[transposeA ? k * rows + row : row * depth + k];
    sum += left * b[transposeB ? column * depth + k : k * columns + column];
  }
  return sum;
}
