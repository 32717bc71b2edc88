/** The loops of src/assembly, as the build compiled them, over memory of our own. */
import { readFileSync } from 'node:fs';

/** What we use of the WebAssembly API, which TypeScript describes only for browsers. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => WasmModule;
  Instance: new (module: WasmModule, imports: object) => { exports: unknown };
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

/** A compiled file of src/assembly, by its name without the ending. */
export function loadModule(name: 'adamw' | 'dropout' | 'pixels' | 'sums'): WasmModule {
  return new WebAssembly.Module(readFileSync(new URL(`../assembly/${name}.wasm`, import.meta.url)));
}

/** The functions of a module over this memory; `Functions` says what its source declares. */
export function instantiate<Functions>(module: WasmModule, memory: WasmMemory): Functions {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as Functions;
}
