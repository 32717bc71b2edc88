/**
 * Large blocks of memory. Where the system has huge pages and gives them on request (Linux), large arrays
 * lie in them: matrix products over them take a tenth less time, passes over them a third.
 */
import { createRequire } from 'node:module';
import { findViewMemory, type ViewMemory } from '../../common/foreign_memory.js';
import { log } from '../../common/logging.js';

/** From so many bytes on. */
const LARGE = 4 << 20;
const HUGE_PAGE = 2 << 20;

const PROTECTION_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const ADVICE_DONT_NEED = 4;
const ADVICE_HUGE_PAGE = 14;

type Call = (...args: (bigint | number)[]) => number | bigint;

interface SystemCalls {
  mmap: Call;
  munmap: Call;
  madvise: Call;
  view: ViewMemory;
}

let calls: SystemCalls | null | undefined;

/** Unmaps a block when nothing refers to its buffer any more. */
const unreachable = new FinalizationRegistry<{ address: bigint; bytes: number }>(({ address, bytes }) => {
  calls?.munmap(address, bytes);
});

/** Where the mapped blocks lie. */
const mapped = new WeakMap<ArrayBuffer, { address: bigint; bytes: number }>();

/** Memory of exactly `bytes`. */
export function allocateMemory(bytes: number): ArrayBuffer {
  return (bytes >= LARGE ? mapMemory(bytes) : undefined) ?? new ArrayBuffer(bytes);
}

/** True for sizes that are worth copying to a block of ours. */
export const isLarge = (bytes: number): boolean => bytes >= LARGE;

/** Gives the memory of a block that is dropped back to the system at once. */
export function discardMemory(buffer: ArrayBuffer): void {
  const block = mapped.get(buffer);
  if (block) calls?.madvise(block.address, block.bytes, ADVICE_DONT_NEED);
}

function mapMemory(bytes: number): ArrayBuffer | undefined {
  if (calls === undefined) calls = systemCalls();
  if (!calls) return undefined;
  // One huge page more, to begin at a multiple of its size; what is not touched costs nothing.
  const length = Math.ceil(bytes / 4096) * 4096 + HUGE_PAGE;
  const address = BigInt(calls.mmap(0, length, PROTECTION_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0));
  if (address <= 0n || address === 0xffff_ffff_ffff_ffffn) return undefined;
  const page = BigInt(HUGE_PAGE);
  const start = ((address + page - 1n) / page) * page;
  calls.madvise(start, Math.floor(bytes / HUGE_PAGE) * HUGE_PAGE, ADVICE_HUGE_PAGE);
  const buffer = calls.view(start, bytes);
  const block = { address, bytes: length };
  mapped.set(buffer, block);
  unreachable.register(buffer, block);
  return buffer;
}

function systemCalls(): SystemCalls | null {
  if (process.platform !== 'linux') return null;
  const view = findViewMemory();
  if (!view) return null;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as {
      load(path: null): { func(name: string, result: string, args: string[]): Call };
    };
    const library = koffi.load(null);
    return {
      mmap: library.func('mmap', 'uint64', ['uint64', 'size_t', 'int', 'int', 'int', 'int64']),
      munmap: library.func('munmap', 'int', ['uint64', 'size_t']),
      madvise: library.func('madvise', 'int', ['uint64', 'size_t', 'int']),
      view,
    };
  } catch (error) {
    log.debug(`no memory of huge pages: ${error}`);
    return null;
  }
}
