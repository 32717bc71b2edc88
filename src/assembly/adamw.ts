function updateFour(
  p: usize,
  g: usize,
  m: usize,
  v: usize,
  beta1: v128,
  rest1: v128,
  beta2: v128,
  rest2: v128,
  root: v128,
  eps: v128,
  stepSize: v128,
  shrink: v128,
): void {
  const grad = v128.load(g);
  const mean = f32x4.add(f32x4.mul(v128.load(m), beta1), f32x4.mul(grad, rest1));
  const square = f32x4.add(f32x4.mul(v128.load(v), beta2), f32x4.mul(f32x4.mul(grad, grad), rest2));
  const denominator = f32x4.add(f32x4.mul(f32x4.sqrt(square), root), eps);
  v128.store(m, mean);
  v128.store(v, square);
  v128.store(
    p,
    f32x4.sub(f32x4.mul(v128.load(p), shrink), f32x4.div(f32x4.mul(mean, stepSize), denominator)),
  );
}

/**
 * One update of parameters p with gradients g and means m and v, a cache line at a time, each operation rounded
 * to float32: m = beta1 m + rest1 g, v = beta2 v + rest2 g², p = shrink p - stepSize m / (root √v + eps).
 * What follows the last number in its cache line changes too.
 */
export function update(
  p: usize,
  g: usize,
  m: usize,
  v: usize,
  bytes: i32,
  beta1: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  root: f32,
  eps: f32,
  stepSize: f32,
  shrink: f32,
): void {
  const b1 = f32x4.splat(beta1);
  const r1 = f32x4.splat(rest1);
  const b2 = f32x4.splat(beta2);
  const r2 = f32x4.splat(rest2);
  const ro = f32x4.splat(root);
  const ep = f32x4.splat(eps);
  const st = f32x4.splat(stepSize);
  const sh = f32x4.splat(shrink);
  for (let at = 0; at < bytes; at += 64) {
    updateFour(p + at, g + at, m + at, v + at, b1, r1, b2, r2, ro, ep, st, sh);
    updateFour(p + at + 16, g + at + 16, m + at + 16, v + at + 16, b1, r1, b2, r2, ro, ep, st, sh);
    updateFour(p + at + 32, g + at + 32, m + at + 32, v + at + 32, b1, r1, b2, r2, ro, ep, st, sh);
    updateFour(p + at + 48, g + at + 48, m + at + 48, v + at + 48, b1, r1, b2, r2, ro, ep, st, sh);
  }
}
