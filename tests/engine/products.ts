import type { HalfProduct } from '#src/engine/fused/half.js';

/** A product of matrices by plain loops, in double precision. */
export function product(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  { rows, columns, depth, transposeA, transposeB }: HalfProduct,
): Float32Array {
  return Float32Array.from({ length: rows * columns }, (_, at) => {
    const [row, column] = [Math.floor(at / columns), at % columns];
    let sum = 0;
    for (let k = 0; k < depth; k++) {
      const left = a[transposeA ? k * rows + row : row * depth + k];
      sum += left * b[transposeB ? column * depth + k : k * columns + column];
    }
    return sum;
  });
}
