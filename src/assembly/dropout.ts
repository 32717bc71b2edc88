/** A 32-bit finalizer: every bit of a position reaches every bit of its hash. */
function hashOf(position: v128, start: v128, spread: v128, factor1: v128, factor2: v128): v128 {
  let hash = v128.xor(start, i32x4.mul(position, spread));
  hash = i32x4.mul(v128.xor(hash, i32x4.shr_u(hash, 16)), factor1);
  hash = i32x4.mul(v128.xor(hash, i32x4.shr_u(hash, 15)), factor2);
  return v128.xor(hash, i32x4.shr_u(hash, 16));
}

/**
 * values *= 0 or scale, by the hash of each one's position, a cache line at a time;
 * src/engine/fused/dropout_loop.ts says what the numbers are. What follows the last value in its cache line
 * changes too.
 * @param first the position of the first value
 * @param start what every hash begins with
 * @param spread takes neighbouring positions far apart
 * @param threshold hashes below it are dropped, unsigned
 */
export function drop(
  values: usize,
  bytes: i32,
  first: i32,
  start: i32,
  spread: i32,
  factor1: i32,
  factor2: i32,
  threshold: i32,
  scale: f32,
): void {
  const begin = i32x4.splat(start);
  const apart = i32x4.splat(spread);
  const one = i32x4.splat(factor1);
  const two = i32x4.splat(factor2);
  const limit = i32x4.splat(threshold);
  const factor = f32x4.splat(scale);
  const four = i32x4.splat(4);
  let position = i32x4.add(i32x4.splat(first), i32x4(0, 1, 2, 3));
  const end = values + bytes;
  for (let at = values; at < end; at += 64) {
    const dropped0 = i32x4.lt_u(hashOf(position, begin, apart, one, two), limit);
    position = i32x4.add(position, four);
    const dropped1 = i32x4.lt_u(hashOf(position, begin, apart, one, two), limit);
    position = i32x4.add(position, four);
    const dropped2 = i32x4.lt_u(hashOf(position, begin, apart, one, two), limit);
    position = i32x4.add(position, four);
    const dropped3 = i32x4.lt_u(hashOf(position, begin, apart, one, two), limit);
    position = i32x4.add(position, four);
    v128.store(at, v128.andnot(f32x4.mul(v128.load(at), factor), dropped0));
    v128.store(at, v128.andnot(f32x4.mul(v128.load(at, 16), factor), dropped1), 16);
    v128.store(at, v128.andnot(f32x4.mul(v128.load(at, 32), factor), dropped2), 32);
    v128.store(at, v128.andnot(f32x4.mul(v128.load(at, 48), factor), dropped3), 48);
  }
}
