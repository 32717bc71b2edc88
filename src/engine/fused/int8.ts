import { readFileSync } from 'node:fs';

/**
 * Weights as 8-bit integers, symmetric, with a scale for each output: rounding a row moves it by at most half a step
 * of 1/127 of its largest number, however large other rows are.
 */

const LARGEST = 127;

/** What each row's integers are multiplied with, [rows]. @param values [rows, columns] @param largest the largest integer */
export function int8Scales(
  values: Float32Array,
  rows: number,
  columns: number,
  largest = LARGEST,
): Float32Array {
  return Float32Array.from({ length: rows }, (_, row) => {
    let most = 0;
    for (let i = row * columns; i < (row + 1) * columns; i++) most = Math.max(most, Math.abs(values[i]));
    return most / largest || 1;
  });
}

/** Rows and columns at a time: what is turned lies in the cache both ways. */
const TILE = 64;

/** The integers, [columns, rows] as products take them. @param values [rows, columns] @param scales of the rows */
export function int8Columns(
  values: Float32Array,
  rows: number,
  columns: number,
  scales = int8Scales(values, rows, columns),
): Int8Array {
  const bytes = new Int8Array(values.length);
  for (let top = 0; top < rows; top += TILE) {
    for (let left = 0; left < columns; left += TILE) {
      const [bottom, right] = [Math.min(top + TILE, rows), Math.min(left + TILE, columns)];
      for (let row = top; row < bottom; row++) {
        const scale = scales[row];
        for (let column = left; column < right; column++) {
          bytes[column * rows + row] = Math.round(values[row * columns + column] / scale);
        }
      }
    }
  }
  return bytes;
}

/** What Linux calls instructions that multiply 8-bit integers and sum in 32 bits: VNNI and AMX. */
const FLAGS = /\b(avx512_vnni|avx_vnni|amx_int8)\b/;

/** Whether this processor sums products of 8-bit integers in 32 bits. Unknown is no, but for Arm, where all of today's do. */
export function hasIntegerDotProducts(arch: string = process.arch, cpuInfo = readCpuInfo()): boolean {
  return arch === 'arm64' || FLAGS.test(cpuInfo);
}

function readCpuInfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return '';
  }
}
