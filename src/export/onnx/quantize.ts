/**
 * Weights as 8-bit integers, symmetric, with a scale for each output: rounding a row moves it by half of 1/127 of its
 * largest number at most, however large other rows are.
 */

const LARGEST = 127;

/** What each row's integers are multiplied with, [rows]. @param values [rows, columns] */
export function int8Scales(values: Float32Array, rows: number, columns: number): Float32Array {
  return Float32Array.from({ length: rows }, (_, row) => {
    let largest = 0;
    for (let i = row * columns; i < (row + 1) * columns; i++)
      largest = Math.max(largest, Math.abs(values[i]));
    return largest / LARGEST || 1;
  });
}

/** The integers, [columns, rows] as products take them. @param values [rows, columns] */
export function int8Columns(values: Float32Array, rows: number, columns: number): Int8Array {
  const scales = int8Scales(values, rows, columns);
  const bytes = new Int8Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      bytes[column * rows + row] = Math.round(values[row * columns + column] / scales[row]);
    }
  }
  return bytes;
}
