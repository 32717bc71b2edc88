/**
 * As much of a WebAssembly assembler as the kernels for pixels, dropout, sums of gradients and AdamW need. Code is a list of bytes; an operation takes
 * its operands' code and appends itself. Source: the WebAssembly core specification, chapters 5 and 7.
 */
export type Code = number[];

/** What we use of the WebAssembly API, which TypeScript describes only for browsers. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => WasmModule;
  Instance: new (module: WasmModule, imports: object) => { exports: Record<string, unknown> };
  Memory: new (limits: { initial: number }) => WasmMemory;
};
export type WasmModule = object;
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
  /** @param pages of 64 KiB. */
  grow(pages: number): number;
}
/** @param pages of 64 KiB. */
export const newMemory = (pages = 1): WasmMemory => new WebAssembly.Memory({ initial: pages });

const PAGE = 65536;

/** Addresses of buffers of these sizes in bytes, each a multiple of 16; the memory grows where it is too small. */
export function reserve(memory: WasmMemory, sizes: readonly number[]): number[] {
  let end = 0;
  const addresses = sizes.map((size) => {
    const address = end;
    end = Math.ceil((address + size) / 16) * 16;
    return address;
  });
  const missing = end - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
  return addresses;
}

/** The kernels of a module, as functions of numbers, over this memory. */
export const instantiate = (module: WasmModule, memory: WasmMemory): Record<string, unknown> =>
  new WebAssembly.Instance(module, { env: { memory } }).exports;

const I32 = 0x7f;
const V128 = 0x7b;

/** A local variable of a function, the first ones its parameters. */
export interface Local {
  readonly index: number;
  readonly get: Code;
  set(value: Code): Code;
}

/** A function of i32 parameters and no result. */
export interface Kernel {
  readonly name: string;
  readonly parameters: number;
  readonly locals: number[];
  readonly body: Code;
}

/**
 * Defines a kernel.
 * @param write gets the parameters, and makers of further variables: i32 and 4 x i32.
 */
export function kernel(
  name: string,
  parameters: number,
  write: (parameters: Local[], i32: () => Local, vector: () => Local) => Code,
): Kernel {
  const locals: number[] = [];
  const add = (type: number) => () => variable(parameters + locals.push(type) - 1);
  const given = Array.from({ length: parameters }, (_, i) => variable(i));
  const body = write(given, add(I32), add(V128));
  return { name, parameters, locals, body };
}

const variable = (index: number): Local => ({
  index,
  get: [0x20, ...unsigned(index)],
  set: (value) => [...value, 0x21, ...unsigned(index)],
});

export const i32 = {
  of: (value: number): Code => [0x41, ...signed(value)],
  load: (address: Code): Code => [...address, 0x28, 2, 0],
  add: (a: Code, b: Code): Code => [...a, ...b, 0x6a],
  sub: (a: Code, b: Code): Code => [...a, ...b, 0x6b],
  mul: (a: Code, b: Code): Code => [...a, ...b, 0x6c],
};

const simd = (opcode: number, ...operands: Code[]): Code => [...operands.flat(), 0xfd, ...unsigned(opcode)];
const MEMORY = [0, 0];

/** 16 bytes, seen as 16 u8, 8 u16, 4 i32 or 4 f32. */
export const v128 = {
  load: (address: Code): Code => [...simd(0x00, address), ...MEMORY],
  /** Four bytes, the rest 0. */
  load32: (address: Code): Code => [...simd(0x5c, address), ...MEMORY],
  /** One i32 or f32, four times. */
  loadSplat: (address: Code): Code => [...simd(0x09, address), ...MEMORY],
  store: (address: Code, value: Code): Code => [...simd(0x0b, address, value), ...MEMORY],
  /** The first four bytes. */
  store32: (address: Code, value: Code): Code => [...simd(0x5a, address, value), ...MEMORY, 0],
  splat: (value: Code): Code => simd(0x11, value),
  add: (a: Code, b: Code): Code => simd(0xae, a, b),
  mul: (a: Code, b: Code): Code => simd(0xb5, a, b),
  shiftRight: (a: Code, bits: number): Code => simd(0xac, a, i32.of(bits)),
  shiftRightUnsigned: (a: Code, bits: number): Code => simd(0xad, a, i32.of(bits)),
  xor: (a: Code, b: Code): Code => simd(0x51, a, b),
  /** The bits of a that are not set in b. */
  andNot: (a: Code, b: Code): Code => simd(0x4f, a, b),
  /** All bits of each u32 of a that is smaller than b's, else none. */
  below: (a: Code, b: Code): Code => simd(0x3a, a, b),
  lowU8: (a: Code): Code => simd(0x89, a),
  highU8: (a: Code): Code => simd(0x8a, a),
  lowU16: (a: Code): Code => simd(0xa9, a),
  highU16: (a: Code): Code => simd(0xaa, a),
  /** 4 i32 to 4 f32. */
  toFloat: (a: Code): Code => simd(0xfa, a),
  addFloat: (a: Code, b: Code): Code => simd(0xe4, a, b),
  mulFloat: (a: Code, b: Code): Code => simd(0xe6, a, b),
  subFloat: (a: Code, b: Code): Code => simd(0xe5, a, b),
  divFloat: (a: Code, b: Code): Code => simd(0xe7, a, b),
  sqrtFloat: (a: Code): Code => simd(0xe3, a),
  /** 4 + 4 i32 to 8 i16, cut at the ends of the range. */
  narrow32: (a: Code, b: Code): Code => simd(0x85, a, b),
  /** 8 + 8 i16 to 16 u8, cut at the ends of the range. */
  narrow16: (a: Code, b: Code): Code => simd(0x66, a, b),
};

/** Runs the body with `counter` = 0, step, … while it is below `count`, and at least once. */
export function repeat(counter: Local, count: Code, step: number, ...body: Code[]): Code {
  const next = counter.set(i32.add(counter.get, i32.of(step)));
  const again = [...counter.get, ...count, 0x48, 0x0d, 0];
  return [...counter.set(i32.of(0)), 0x03, 0x40, ...body.flat(), ...next, ...again, 0x0b];
}

/** A module of these kernels, over a memory it imports as env.memory. */
export function assemble(kernels: Kernel[]): WasmModule {
  const types = kernels.map(({ parameters }) => [0x60, ...vector(Array(parameters).fill([I32])), 0]);
  const memory = [...text('env'), ...text('memory'), 0x02, 0, ...unsigned(1)];
  const bodies = kernels.map(({ locals, body }) => {
    const code = [...vector(locals.map((type) => [1, type])), ...body, 0x0b];
    return [...unsigned(code.length), ...code];
  });
  const sections: [id: number, entries: Code[]][] = [
    [1, types],
    [2, [memory]],
    [3, kernels.map((_, i) => unsigned(i))],
    [7, kernels.map(({ name }, i) => [...text(name), 0, ...unsigned(i)])],
    [10, bodies],
  ];
  const bytes = sections.flatMap(([id, entries]) => {
    const content = vector(entries);
    return [id, ...unsigned(content.length), ...content];
  });
  return new WebAssembly.Module(Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...bytes]));
}

const vector = (entries: Code[]): Code => [...unsigned(entries.length), ...entries.flat()];

const text = (value: string): Code => [...unsigned(value.length), ...Buffer.from(value)];

/** LEB128. */
function unsigned(value: number): Code {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): Code {
  const [low, rest] = [value & 0x7f, value >> 7];
  const last = (rest === 0 && !(low & 0x40)) || (rest === -1 && !!(low & 0x40));
  return last ? [low] : [low | 0x80, ...signed(rest)];
}
