import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EngineError } from '../../common/errors.js';
import { quietly } from '../../common/quiet.js';

/**
 * ONNX Runtime's C interface, called through koffi on the library that onnxruntime-node brings.
 *
 * TensorFlow.js kernels are synchronous and the package's own `run` is not; the binding beneath it is, but
 * copies every result out of the memory that it was given for it, and gives each session threads of its own.
 * Here results stay where they are written, and all sessions share one pool of threads.
 */

/** An address; they fit a number's 53 bits. */
export type Address = number;

interface Koffi {
  load(path: string | null): {
    func(name: string, result: string, args: string[]): (...args: unknown[]) => bigint;
  };
  proto(result: string, args: string[]): unknown;
  decode(address: unknown, type: unknown): never;
  address(value: unknown): bigint;
}

/** Addresses and sizes are 'uint64', memory of ours is 'void *', and what returns 'uint64' returns a status. */
const STATUS = 'uint64';

/** The functions in use: place in the table (the same in every version), result and arguments. */
const FUNCTIONS = {
  getErrorMessage: [2, 'str', ['uint64']],
  disableTelemetryEvents: [6, STATUS, ['uint64']],
  createSessionFromArray: [8, STATUS, ['uint64', 'void *', 'uint64', 'uint64', 'void *']],
  run: [9, STATUS, ['uint64', 'uint64', 'void *', 'void *', 'uint64', 'void *', 'uint64', 'void *']],
  createSessionOptions: [10, STATUS, ['void *']],
  setLogSeverity: [22, STATUS, ['uint64', 'int']],
  createTensorWithData: [49, STATUS, ['uint64', 'void *', 'uint64', 'void *', 'uint64', 'int', 'uint64']],
  createCpuMemoryInfo: [69, STATUS, ['int', 'int', 'void *']],
  releaseEnv: [92, 'void', ['uint64']],
  releaseStatus: [93, 'void', ['uint64']],
  releaseMemoryInfo: [94, 'void', ['uint64']],
  releaseSession: [95, 'void', ['uint64']],
  releaseValue: [96, 'void', ['uint64']],
  releaseSessionOptions: [100, 'void', ['uint64']],
  createEnvWithGlobalThreadPools: [119, STATUS, ['int', 'str', 'uint64', 'void *']],
  disablePerSessionThreads: [120, STATUS, ['uint64']],
  createThreadingOptions: [121, STATUS, ['void *']],
  addSessionConfigEntry: [130, STATUS, ['uint64', 'str', 'str']],
  releaseThreadingOptions: [122, 'void', ['uint64']],
  createAndRegisterAllocator: [144, STATUS, ['uint64', 'uint64', 'uint64']],
  setGlobalIntraOpNumThreads: [147, STATUS, ['uint64', 'int']],
  setGlobalInterOpNumThreads: [148, STATUS, ['uint64', 'int']],
  setGlobalSpinControl: [149, STATUS, ['uint64', 'int']],
} as const satisfies Record<string, [number, string, string[]]>;

type CFunction = (...args: unknown[]) => number;
export type CApi = Record<keyof typeof FUNCTIONS, CFunction>;

/** The version of the interface that is asked for; every later library has it. */
const VERSION = 17;
/** Entries of the function table that version 1.8 has, and so does every later one. */
const TABLE_LENGTH = 150;

/** Its script would download CUDA files that are not used here, and fails where it cannot. */
const INSTALL_ONNX_RUNTIME = 'npm install --ignore-scripts onnxruntime-node@1.30.0 (beside lavis)';

interface Loaded {
  api: CApi;
  addressOf(value: ArrayBufferView): Address;
  /** Held: koffi closes a library that nobody holds. */
  library: unknown;
}

let loaded: Loaded | undefined;

/** @throws EngineError where the library is not there */
export function loadCApi(): Loaded {
  loaded ??= load();
  return loaded;
}

function load(): Loaded {
  const require = createRequire(import.meta.url);
  const koffi = require('koffi') as Koffi;
  withoutTelemetry(koffi);
  const path = libraryPath();
  const library = quietly(() => koffi.load(path));
  const base = library.func('OrtGetApiBase', 'void *', [])();
  const [getApiAddress] = koffi.decode(base, 'void *[1]') as unknown[];
  const getApi = koffi.decode(getApiAddress, koffi.proto('void *', ['uint32'])) as (
    version: number,
  ) => bigint;
  const table = koffi.decode(getApi(VERSION), `void *[${TABLE_LENGTH}]`) as unknown[];
  const api = Object.fromEntries(
    Object.entries(FUNCTIONS).map(([name, [place, result, args]]) => [
      name,
      koffi.decode(table[place], koffi.proto(result, [...args])),
    ]),
  ) as unknown as CApi;
  return { api, addressOf: (value) => Number(koffi.address(value)), library };
}

/** The library of onnxruntime-node, or the one kept of it where npm took the package away (scripts/keep_library.mjs). */
function libraryPath(): string {
  const kept = fileURLToPath(new URL('../../../native', import.meta.url));
  for (const folder of [...packageFolder(), kept]) {
    const file = safeList(folder).find((name) => /^(lib)?onnxruntime\.(so|dll|[\d.]*dylib)/.test(name));
    if (file) return join(folder, file);
  }
  throw new EngineError(`there is no library of ONNX Runtime for ${process.platform} on ${process.arch}`, {
    where: packageFolder()[0] ?? 'onnxruntime-node is not installed',
    help: INSTALL_ONNX_RUNTIME,
  });
}

function packageFolder(): string[] {
  try {
    const packageFile = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
    return [join(dirname(packageFile), 'bin', 'napi-v6', process.platform, process.arch)];
  } catch {
    return [];
  }
}

function safeList(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** ONNX Runtime looks for it in the process's environment as it is loaded. */
const SWITCH = 'ORT_DISABLE_TELEMETRY';

interface Koffi {
  load(path: null): { func(name: string, result: string, args: string[]): (...args: unknown[]) => unknown };
}

/**
 * Turns ONNX Runtime's telemetry off; must run before the library is loaded. From 1.30 on Linux and macOS it
 * leaves a device id and a database in the user's cache and a log in the temporary folder, looks up its vendor's
 * host, and overflows the stack on a command line of some 7 kB. (What it tells Windows' event log is turned off
 * once there is an environment to turn it off for: see sessions.ts.)
 */
function withoutTelemetry(koffi: Koffi): void {
  process.env[SWITCH] = '1';
  // In a worker thread process.env is a copy: the library reads the process's own variables.
  if (process.platform === 'win32') return;
  const setenv = koffi.load(null).func('setenv', 'int', ['str', 'str', 'int']);
  setenv(SWITCH, '1', 1);
}
