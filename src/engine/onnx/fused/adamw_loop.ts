import {
  assemble,
  type Code,
  i32,
  instantiate,
  kernel,
  newMemory,
  repeat,
  v128,
} from '../../../common/wasm.js';
import type { AdamWAttrs } from '../../fused/adamw.js';

/** The values that one update reads and writes: parameter, gradient and the two means. */
export type AdamWArrays = [p: Float32Array, g: Float32Array, m: Float32Array, v: Float32Array];

/** Numbers of each array that are worked on at a time: few enough to stay in a core's cache. */
const PIECE = 8192;

/** Bytes from one array to the next: a line more than they take, or they would fall on each other in the cache. */
const DISTANCE = PIECE * 4 + 64;
const [P, G, M, V, CONSTANTS] = [0, 1, 2, 3, 4].map((i) => i * DISTANCE);
const CONSTANT_COUNT = 8;
const memory = newMemory(Math.ceil((CONSTANTS + 4 * CONSTANT_COUNT) / 65536));
const [p, g, m, v] = [P, G, M, V].map((at) => new Float32Array(memory.buffer, at, PIECE));
const constants = new Float32Array(memory.buffer, CONSTANTS, CONSTANT_COUNT);

/** Bytes of one turn of the loop: a cache line. */
const STEP = 64;

/**
 * Four numbers an instruction, each operation rounded to float32:
 * m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g², p = shrink p - stepSize m / (√v / rootCorrection + eps)
 */
const update = kernel('update', 1, ([bytes], index, vector) => {
  const at = index();
  const factors = Array.from({ length: CONSTANT_COUNT }, vector);
  const [beta1, rest1, beta2, rest2, root, eps, stepSize, shrink] = factors.map(({ get }) => get);
  const [grad, mean, square] = [vector(), vector(), vector()];
  const { load, store, mulFloat: mul, addFloat: add, subFloat: sub, divFloat: div, sqrtFloat: sqrt } = v128;
  const four = (offset: number): Code => {
    const here = (array: number) => i32.add(at.get, i32.of(array + offset));
    const denominator = add(mul(sqrt(square.get), root), eps);
    return [
      grad.set(load(here(G))),
      mean.set(add(mul(load(here(M)), beta1), mul(grad.get, rest1))),
      square.set(add(mul(load(here(V)), beta2), mul(mul(grad.get, grad.get), rest2))),
      store(here(M), mean.get),
      store(here(V), square.get),
      store(here(P), sub(mul(load(here(P)), shrink), div(mul(mean.get, stepSize), denominator))),
    ].flat();
  };
  return [
    ...factors.flatMap((factor, i) => factor.set(v128.loadSplat(i32.of(CONSTANTS + 4 * i)))),
    ...repeat(at, bytes.get, STEP, ...[0, 16, 32, 48].map(four)),
  ];
});

const kernels = instantiate(assemble([update]), memory) as { update(bytes: number): void };

/** One update in place: PyTorch's, which computes in float32 too. */
export function updateInLoop(arrays: AdamWArrays, attrs: AdamWAttrs): void {
  const { beta1, beta2, eps, stepSize, rootCorrection, shrink } = attrs;
  constants.set([beta1, 1 - beta1, beta2, 1 - beta2, 1 / rootCorrection, eps, stepSize, shrink]);
  const { length } = arrays[0];
  for (let start = 0; start < length; start += PIECE) {
    const count = Math.min(PIECE, length - start);
    const [ps, gs, ms, vs] = arrays.map((array) => array.subarray(start, start + count));
    p.set(ps);
    g.set(gs);
    m.set(ms);
    v.set(vs);
    // What follows in the last line changes too, and is not copied back.
    kernels.update(count * 4);
    ps.set(p.subarray(0, count));
    ms.set(m.subarray(0, count));
    vs.set(v.subarray(0, count));
  }
}
