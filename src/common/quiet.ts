/**
 * Libraries below us (Dawn, Vulkan's loader and drivers, ONNX Runtime, TensorFlow, fontconfig) print warnings and
 * stack traces of their own as they look at the machine. What matters of it reaches the user as our message;
 * LAVIS_DEBUG=1 lets theirs through.
 */
import { closeSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import { devNull } from 'node:os';

interface System {
  dup(descriptor: number): number;
  dup2(from: number, to: number): number;
  close(descriptor: number): number;
  flush(): void;
}

const OUTPUT = 1;
const ERRORS = 2;

let system: System | null | undefined;
/** What ends the silence; undefined while there is none. */
let speak: (() => void) | undefined;

/** Runs a call into a native library with nothing that it prints reaching the terminal. */
export function quietly<T>(call: () => T): T {
  const end = fallSilent();
  try {
    return call();
  } finally {
    end();
  }
}

/** The same for work on other threads; our own messages are lost too until it is done. */
export async function quietlyUntilDone<T>(work: () => Promise<T>): Promise<T> {
  const end = fallSilent();
  try {
    return await work();
  } finally {
    end();
  }
}

function fallSilent(): () => void {
  if (process.env.LAVIS_DEBUG === '1' || speak) return () => {};
  if (system === undefined) system = systemCalls();
  if (!system) return () => {};
  const calls = system;
  calls.flush();
  const restore = [OUTPUT, ERRORS].map((descriptor) => silence(calls, descriptor));
  speak = () => {
    speak = undefined;
    // What lies in the C library's buffers would come out later.
    calls.flush();
    // In reverse: where a descriptor was closed, the copy of another may have taken its number.
    for (const back of restore.reverse()) back();
  };
  return speak;
}

/** @returns what makes the descriptor speak again */
function silence({ dup, dup2, close }: System, descriptor: number): () => void {
  const saved = dup(descriptor);
  if (saved < 0) return () => {};
  const nowhere = openSync(devNull, 'w');
  dup2(nowhere, descriptor);
  closeSync(nowhere);
  return () => {
    dup2(saved, descriptor);
    close(saved);
  };
}

/** None on Windows, where each library has descriptors of its own. */
function systemCalls(): System | null {
  if (process.platform === 'win32') return null;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as {
      load(path: null): {
        func(name: string, result: string, args: string[]): (...args: unknown[]) => number;
      };
    };
    const library = koffi.load(null);
    const flush = library.func('fflush', 'int', ['void *']);
    return {
      dup: library.func('dup', 'int', ['int']),
      dup2: library.func('dup2', 'int', ['int', 'int']),
      close: library.func('close', 'int', ['int']),
      flush: () => void flush(null),
    };
  } catch {
    return null;
  }
}
