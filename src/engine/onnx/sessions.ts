/**
 * ONNX Runtime, called synchronously. TensorFlow.js kernels are synchronous and the package's public `run`
 * is not, so this uses its native binding; package.json pins the exact version.
 */
import { createRequire } from 'node:module';
import { encodeModel, type GraphSpec } from './messages.js';

export type OrtData = Float32Array | Int32Array | Uint8Array | BigInt64Array;

/** A tensor as the binding reads it; the runtime works on `data` itself, without copies. */
export interface OrtValue {
  type: string;
  dims: readonly number[];
  data: OrtData;
  location: 'cpu';
}

export type OrtValues = Record<string, OrtValue>;

interface NativeSession {
  loadModel(buffer: ArrayBufferLike, offset: number, length: number, options: object): void;
  run(feeds: OrtValues, fetches: OrtValues, options: object): OrtValues;
  dispose(): void;
}

interface Binding {
  binding: { InferenceSession: new () => NativeSession };
  initOrt(): void;
}

/** Wraps a typed array; `dims` may differ from the tensor's shape where the graph wants another view. */
export function ort(data: OrtData, dims: readonly number[]): OrtValue {
  return { type: typeOf(data), dims, data, location: 'cpu' };
}

function typeOf(data: OrtData): string {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Int32Array) return 'int32';
  return data instanceof Uint8Array ? 'bool' : 'int64';
}

/** A vector of int64, as shapes, axes and bounds are given. */
export const int64 = (values: readonly number[]): OrtValue =>
  ort(BigInt64Array.from(values, BigInt), [values.length]);

/** A float32 scalar. */
export const scalar = (value: number): OrtValue => ort(Float32Array.of(value), []);

const RUN_OPTIONS = {};

export interface GraphTimes {
  ms: number;
  /** Over all threads. */
  cpuMs: number;
  runs: number;
}

/** The cached sessions of one backend, by the graph they run. */
export class Sessions {
  readonly #sessions = new Map<string, NativeSession>();
  readonly #native: Binding;
  readonly #options: object;

  /** Milliseconds of time and of processor time, and runs, by graph, once someone asks for it by setting it. */
  profile?: Map<string, GraphTimes>;

  constructor(readonly threads: number) {
    this.#native = createRequire(import.meta.url)('onnxruntime-node/dist/binding.js') as Binding;
    this.#native.initOrt();
    this.#options = {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      // Every session has threads of its own: those of one must not spin while another works.
      extra: { session: { intra_op: { allow_spinning: '0' } } },
    };
  }

  /**
   * Runs a graph. `fetches` hold the memory that results are written to.
   * @param key names the graph: its kernel, attributes and element types
   * @param spec makes the graph, on the first run only
   */
  run(key: string, spec: () => GraphSpec, feeds: OrtValues, fetches: OrtValues): void {
    let session = this.#sessions.get(key);
    if (!session) {
      const bytes = encodeModel(spec());
      session = new this.#native.binding.InferenceSession();
      session.loadModel(bytes.buffer, bytes.byteOffset, bytes.byteLength, this.#options);
      this.#sessions.set(key, session);
    }
    const { profile } = this;
    if (!profile) {
      session.run(feeds, fetches, RUN_OPTIONS);
      return;
    }
    const [start, cpuStart] = [performance.now(), process.cpuUsage()];
    session.run(feeds, fetches, RUN_OPTIONS);
    const { user, system } = process.cpuUsage(cpuStart);
    const entry = profile.get(key) ?? { ms: 0, cpuMs: 0, runs: 0 };
    entry.ms += performance.now() - start;
    entry.cpuMs += (user + system) / 1000;
    entry.runs++;
    profile.set(key, entry);
  }

  get size(): number {
    return this.#sessions.size;
  }

  dispose(): void {
    for (const session of this.#sessions.values()) session.dispose();
    this.#sessions.clear();
  }
}
