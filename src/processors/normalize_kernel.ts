/** Normalizes four pixels at a time. It reads and writes a little past the end. */
import {
  assemble,
  type Code,
  i32,
  instantiate,
  kernel,
  type Local,
  repeat,
  v128,
  type WasmMemory,
} from '../common/wasm.js';

/** Bytes of four pixels: the least after which the colours line up with vectors of four again. */
export const GROUP = 12;
/** Bytes, and values, past the end of its buffers that the kernel may touch. */
export const OVERRUN = 16;

const advance = (pointer: Local, bytes: number): Code => pointer.set(i32.add(pointer.get, i32.of(bytes)));
const at = (address: Local, vectors: number): Code => i32.add(address.get, i32.of(16 * vectors));

/** out[i] = (source[i] / 255 - mean[i % 12]) / std[i % 12], in float32; `constants`: 4 x 255, 12 means, 12 stds. */
const normalize = kernel('normalize', 4, (parameters, int, vec) => {
  const [source, count, out, constants] = parameters;
  const i = int();
  const most = vec();
  const lanes = [0, 1, 2].map((lane) => ({ lane, mean: vec(), std: vec() }));
  const bytes = (lane: number): Code => v128.load32(i32.add(source.get, i32.of(4 * lane)));
  const share = (lane: number): Code =>
    v128.divFloat(v128.toFloat(v128.lowU16(v128.lowU8(bytes(lane)))), most.get);
  return [
    ...most.set(v128.load(constants.get)),
    ...lanes.flatMap(({ lane, mean, std }) => [
      ...mean.set(v128.load(at(constants, 1 + lane))),
      ...std.set(v128.load(at(constants, 4 + lane))),
    ]),
    ...repeat(
      i,
      count.get,
      GROUP,
      ...lanes.map(({ lane, mean, std }) =>
        v128.store(at(out, lane), v128.divFloat(v128.subFloat(share(lane), mean.get), std.get)),
      ),
      advance(source, GROUP),
      advance(out, 4 * GROUP),
    ),
  ];
});

const compiled = assemble([normalize]);

export interface NormalizeKernel {
  normalize(source: number, count: number, out: number, constants: number): void;
}

/** The kernel over this memory; all its arguments but the count are addresses in it. */
export function normalizeKernel(memory: WasmMemory): NormalizeKernel {
  return instantiate(compiled, memory) as unknown as NormalizeKernel;
}
