/** Graphs that are run synchronously by ONNX Runtime, over memory of ours. */
import { EngineError } from '../../common/errors.js';
import { quietly } from '../../common/quiet.js';
import { type Address, type CApi, loadCApi } from './c_api.js';
import { ELEMENT, type ElementType, encodeModel, type GraphSpec } from './messages.js';

export type OrtData = Float32Array | Int32Array | Uint8Array | BigInt64Array;

/** A tensor over `data`, which the runtime reads and writes itself; `dims` may be another view of it. */
export interface OrtValue {
  dims: readonly number[];
  data: OrtData;
}

export type OrtValues = Record<string, OrtValue>;

export const ort = (data: OrtData, dims: readonly number[]): OrtValue => ({ dims, data });

/** A vector of int64, as shapes, axes and bounds are given. */
export const int64 = (values: readonly number[]): OrtValue =>
  ort(BigInt64Array.from(values, BigInt), [values.length]);

/** A float32 scalar. */
export const scalar = (value: number): OrtValue => ort(new Float32Array(new ArrayBuffer(4)).fill(value), []);

export interface GraphTimes {
  ms: number;
  /** Processor time over all threads. */
  cpuMs: number;
  runs: number;
}

/** A session with what each run of it needs: names as C has them, and room for the tensors' addresses. */
interface Session {
  handle: Address;
  inputs: Ends;
  outputs: Ends;
}

/** The inputs or outputs of a graph. */
interface Ends {
  names: string[];
  types: number[];
  /** Addresses of the names, each ended by a zero byte. */
  cNames: BigUint64Array;
  /** Holds the names' bytes. */
  text: Buffer;
  /** The tensors of the run in progress. */
  values: BigUint64Array;
  valuesAddress: Address;
}

/** Errors are thrown as well; warnings are for those who work on this. */
const LOG_WARNINGS = 2;
const LOG_NOTHING = 4;
const ARENA = 1;
const DEFAULT_MEMORY = 0;

/** Threads stop spinning when a graph is done: nobody's work waits for a thread that waits for ours. */
const STOP_SPINNING = 'session.force_spinning_stop';

/** What graphs need between their nodes comes from one arena for all sessions. */
const SHARE_MEMORY = 'session.use_env_allocators';

/** Axes of a shape that may be passed. */
const MOST_AXES = 16;

/** The cached sessions of one backend, by the graph they run. */
export class Sessions {
  readonly #sessions = new Map<string, Session>();
  readonly #api: CApi;
  readonly #addressOf: (value: ArrayBufferView) => Address;
  readonly #env: Address;
  readonly #memory: Address;
  readonly #logSeverity = process.env.LAVIS_DEBUG === '1' ? LOG_WARNINGS : LOG_NOTHING;
  /** One int64 per axis, as pairs of low and high words. */
  readonly #dims = new Int32Array(new ArrayBuffer(8 * MOST_AXES));

  /** What each graph costs, once someone asks for it by setting it. */
  profile?: Map<string, GraphTimes>;

  constructor(readonly threads: number) {
    const { api, addressOf } = loadCApi();
    this.#api = api;
    this.#addressOf = addressOf;
    this.#memory = this.#made((out) => api.createCpuMemoryInfo(ARENA, DEFAULT_MEMORY, out));
    const options = this.#made((out) => api.createThreadingOptions(out));
    this.#check(api.setGlobalIntraOpNumThreads(options, threads));
    this.#check(api.setGlobalInterOpNumThreads(options, 1));
    // Threads spin between the nodes of a graph, but not between graphs: see STOP_SPINNING.
    this.#check(api.setGlobalSpinControl(options, 1));
    this.#env = quietly(() =>
      this.#made((out) => api.createEnvWithGlobalThreadPools(this.#logSeverity, 'lavis', options, out)),
    );
    api.releaseThreadingOptions(options);
    this.#check(api.disableTelemetryEvents(this.#env));
    this.#check(api.createAndRegisterAllocator(this.#env, this.#memory, 0));
  }

  /**
   * Runs a graph. `fetches` hold the memory that results are written to.
   * @param key names the graph: its kernel, attributes and element types
   * @param spec makes the graph, on the first run only
   */
  run(key: string, spec: () => GraphSpec, feeds: OrtValues, fetches: OrtValues): void {
    let session = this.#sessions.get(key);
    if (!session) {
      session = this.#open(spec());
      this.#sessions.set(key, session);
    }
    const { profile } = this;
    if (!profile) {
      this.#run(key, session, feeds, fetches);
      return;
    }
    const [start, cpuStart] = [performance.now(), process.cpuUsage()];
    this.#run(key, session, feeds, fetches);
    const { user, system } = process.cpuUsage(cpuStart);
    const entry = profile.get(key) ?? { ms: 0, cpuMs: 0, runs: 0 };
    entry.ms += performance.now() - start;
    entry.cpuMs += (user + system) / 1000;
    entry.runs++;
    profile.set(key, entry);
  }

  has(key: string): boolean {
    return this.#sessions.has(key);
  }

  /** Frees a session that nobody will ask for again. */
  close(key: string): void {
    const session = this.#sessions.get(key);
    if (!session) return;
    this.#sessions.delete(key);
    this.#api.releaseSession(session.handle);
  }

  get size(): number {
    return this.#sessions.size;
  }

  dispose(): void {
    for (const { handle } of this.#sessions.values()) this.#api.releaseSession(handle);
    this.#sessions.clear();
    this.#api.releaseMemoryInfo(this.#memory);
    this.#api.releaseEnv(this.#env);
  }

  #run(key: string, { handle, inputs, outputs }: Session, feeds: OrtValues, fetches: OrtValues): void {
    inputs.values.fill(0n);
    outputs.values.fill(0n);
    try {
      this.#bind(key, inputs, feeds);
      this.#bind(key, outputs, fetches);
      this.#check(
        this.#api.run(
          handle,
          0,
          inputs.cNames,
          inputs.values,
          inputs.names.length,
          outputs.cNames,
          outputs.names.length,
          outputs.values,
        ),
        key,
      );
    } finally {
      for (const value of inputs.values) if (value) this.#api.releaseValue(value);
      for (const value of outputs.values) if (value) this.#api.releaseValue(value);
    }
  }

  /** Makes the tensors of one side. */
  #bind(key: string, ends: Ends, given: OrtValues): void {
    const { names, types, valuesAddress } = ends;
    const dims = this.#dims;
    for (let i = 0; i < names.length; i++) {
      const value = given[names[i]];
      if (!value) throw new TypeError(`graph ${key} lacks '${names[i]}'`);
      const { data, dims: shape } = value;
      if (shape.length > MOST_AXES) {
        throw new RangeError(`${key}: ${names[i]} has ${shape.length} axes, more than ${MOST_AXES}`);
      }
      for (let axis = 0; axis < shape.length; axis++) {
        dims[2 * axis] = shape[axis];
        dims[2 * axis + 1] = 0;
      }
      const status = this.#api.createTensorWithData(
        this.#memory,
        data,
        data.byteLength,
        dims,
        shape.length,
        types[i],
        valuesAddress + 8 * i,
      );
      if (status) this.#check(status, `${key}: ${names[i]} [${shape}]`);
    }
  }

  #open(spec: GraphSpec): Session {
    const api = this.#api;
    const model = Buffer.from(encodeModel(spec));
    const options = this.#made((out) => api.createSessionOptions(out));
    try {
      this.#check(api.disablePerSessionThreads(options));
      this.#check(api.setLogSeverity(options, this.#logSeverity));
      this.#check(api.addSessionConfigEntry(options, STOP_SPINNING, '1'));
      this.#check(api.addSessionConfigEntry(options, SHARE_MEMORY, '1'));
      const handle = this.#made((out) =>
        api.createSessionFromArray(this.#env, model, model.byteLength, options, out),
      );
      return { handle, inputs: this.#ends(spec.inputs), outputs: this.#ends(spec.outputs) };
    } finally {
      api.releaseSessionOptions(options);
    }
  }

  #ends(types: Record<string, ElementType>): Ends {
    const names = Object.keys(types);
    const text = Buffer.from(names.map((name) => `${name}\0`).join(''));
    const start = this.#addressOf(text);
    const values = new BigUint64Array(new ArrayBuffer(8 * names.length));
    let offset = 0;
    const cNames = BigUint64Array.from(names, (name) => {
      const address = BigInt(start + offset);
      offset += name.length + 1;
      return address;
    });
    return {
      names,
      types: names.map((name) => ELEMENT[types[name]]),
      cNames,
      text,
      values,
      valuesAddress: this.#addressOf(values),
    };
  }

  /** The address that a C function writes to its last argument. */
  #made(make: (out: BigUint64Array) => number): Address {
    const out = new BigUint64Array(new ArrayBuffer(8));
    this.#check(make(out));
    return Number(out[0]);
  }

  /** @throws EngineError with the message of a status that is not 0 */
  #check(status: number, where?: string): void {
    if (!status) return;
    const message = String(this.#api.getErrorMessage(status));
    this.#api.releaseStatus(status);
    throw new EngineError(`ONNX Runtime: ${message}`, { where });
  }
}
