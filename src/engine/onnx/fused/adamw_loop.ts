import { instantiate, loadModule, newMemory } from '../../../common/wasm.js';
import type { AdamWAttrs } from '../../fused/adamw.js';

/** The values that one update reads and writes: parameter, gradient and the two means. */
export type AdamWArrays = [p: Float32Array, g: Float32Array, m: Float32Array, v: Float32Array];

/** Numbers of each array that are worked on at a time: few enough to stay in a core's cache. */
const PIECE = 8192;

/** Bytes from one array to the next: a line more than they take, or they would fall on each other in the cache. */
const DISTANCE = PIECE * 4 + 64;
const [P, G, M, V, END] = [0, 1, 2, 3, 4].map((i) => i * DISTANCE);
const memory = newMemory(Math.ceil(END / 65536));
const [p, g, m, v] = [P, G, M, V].map((at) => new Float32Array(memory.buffer, at, PIECE));

type Factors = [
  beta1: number,
  rest1: number,
  beta2: number,
  rest2: number,
  root: number,
  eps: number,
  stepSize: number,
  shrink: number,
];

const { update } = instantiate<{
  update(p: number, g: number, m: number, v: number, bytes: number, ...factors: Factors): void;
}>(loadModule('adamw'), memory);

/** One update in place: PyTorch's, which computes in float32 too. */
export function updateInLoop(arrays: AdamWArrays, attrs: AdamWAttrs): void {
  const { beta1, beta2, eps, stepSize, rootCorrection, shrink } = attrs;
  const root = 1 / rootCorrection;
  const factors: Factors = [beta1, 1 - beta1, beta2, 1 - beta2, root, eps, stepSize, shrink];
  const { length } = arrays[0];
  for (let start = 0; start < length; start += PIECE) {
    const count = Math.min(PIECE, length - start);
    const [ps, gs, ms, vs] = arrays.map((array) => array.subarray(start, start + count));
    p.set(ps);
    g.set(gs);
    m.set(ms);
    v.set(vs);
    // What follows in the last line changes too, and is not copied back.
    update(P, G, M, V, count * 4, ...factors);
    ps.set(p.subarray(0, count));
    ms.set(m.subarray(0, count));
    vs.set(v.subarray(0, count));
  }
}
