/** Sums and products of float32 arrays, a cache line at a time; what follows in the last line may change too. */

/** sum *= factor */
export function times(sum: usize, bytes: i32, factor: f32): void {
  const four = f32x4.splat(factor);
  for (let at = 0; at < bytes; at += 64) {
    const here = sum + at;
    v128.store(here, f32x4.mul(v128.load(here), four));
    v128.store(here, f32x4.mul(v128.load(here, 16), four), 16);
    v128.store(here, f32x4.mul(v128.load(here, 32), four), 32);
    v128.store(here, f32x4.mul(v128.load(here, 48), four), 48);
  }
}

/** sum += addend * factor, both rounded */
export function addTimes(sum: usize, addend: usize, bytes: i32, factor: f32): void {
  const four = f32x4.splat(factor);
  for (let at = 0; at < bytes; at += 64) {
    const here = sum + at;
    const other = addend + at;
    v128.store(here, f32x4.add(v128.load(here), f32x4.mul(v128.load(other), four)));
    v128.store(here, f32x4.add(v128.load(here, 16), f32x4.mul(v128.load(other, 16), four)), 16);
    v128.store(here, f32x4.add(v128.load(here, 32), f32x4.mul(v128.load(other, 32), four)), 32);
    v128.store(here, f32x4.add(v128.load(here, 48), f32x4.mul(v128.load(other, 48), four)), 48);
  }
}
