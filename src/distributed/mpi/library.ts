import type * as Koffi from 'koffi';
import { DistributedError, messageOf } from '../../common/errors.js';
import type { World } from '../../common/world.js';

/** MPI functions as this room uses them; all return an error code, 0 for success. */
export interface Mpi {
  readonly description: string;
  init(): void;
  rank(): number;
  size(): number;
  /** A request and a place for its completion flag. */
  request(): MpiRequest;
  /** Sums in place over all ranks. */
  iallreduce(data: Float32Array, request: MpiRequest): void;
  ibcast(data: Uint8Array, root: number, request: MpiRequest): void;
  isend(data: Uint8Array, to: number, tag: number, request: MpiRequest): void;
  irecv(data: Uint8Array, from: number, tag: number, request: MpiRequest): void;
  /** Whether a request is complete; lets MPI make progress. */
  test(request: MpiRequest): boolean;
  finalize(): void;
  abort(code: number): void;
}

export interface MpiRequest {
  readonly handle: Uint8Array;
  readonly flag: Int32Array;
}

const OPEN_MPI = ['libmpi.so.40', 'libmpi.40.dylib', 'libmpi.so', 'libmpi.dylib'];
/** MPICH and those that share its binary interface: Intel's, Cray's. */
const MPICH_KIN = ['libmpich.so.12', 'libmpi.so.12', 'libmpi.12.dylib'];
const INSTALL = 'apt-get install -y openmpi-bin (and start workers with mpirun -np N lavis train …)';
/** MPI_COMM_WORLD and the others are numbers in MPICH and its relatives. */
const MPICH = {
  WORLD: 0x44000000,
  FLOAT: 0x4c00040a,
  BYTE: 0x4c00010d,
  SUM: 0x58000003,
  IGNORE: 1n,
  IN_PLACE: -1n,
};

/**
 * Loads libmpi: LAVIS_LIBMPI, or the system's.
 * @param launcher whose library is looked for first
 * @throws DistributedError with the line that installs it
 */
export async function loadMpi(launcher: World['launcher']): Promise<Mpi> {
  const { library, path } = open(
    await foreignFunctions(),
    launcher === 'mpich' ? [...MPICH_KIN, ...OPEN_MPI] : [...OPEN_MPI, ...MPICH_KIN],
  );
  const openMpi = hasSymbol(library, 'ompi_mpi_comm_world');
  const handle = openMpi ? 'void *' : 'int';
  const constant = (symbol: string, number: number): unknown => (openMpi ? library.symbol(symbol) : number);

  const WORLD = constant('ompi_mpi_comm_world', MPICH.WORLD);
  const FLOAT = constant('ompi_mpi_float', MPICH.FLOAT);
  const BYTE = constant('ompi_mpi_byte', MPICH.BYTE);
  const SUM = constant('ompi_mpi_op_sum', MPICH.SUM);
  const IN_PLACE = openMpi ? 1n : MPICH.IN_PLACE;
  const IGNORE = openMpi ? 0n : MPICH.IGNORE;

  const func = (name: string, parameters: string) => {
    const call = library.func(`int ${name}(${parameters.replaceAll('HANDLE', handle)})`);
    return (...args: unknown[]) => {
      const code = call(...args) as number;
      if (code !== 0)
        throw new DistributedError(`${name} failed`, { found: `MPI error ${code}`, where: path });
    };
  };
  const MPI_Init = func('MPI_Init', 'void *argc, void *argv');
  const MPI_Comm_rank = func('MPI_Comm_rank', 'HANDLE comm, int *rank');
  const MPI_Comm_size = func('MPI_Comm_size', 'HANDLE comm, int *size');
  const MPI_Iallreduce = func(
    'MPI_Iallreduce',
    'void *send, void *receive, int count, HANDLE type, HANDLE op, HANDLE comm, void *request',
  );
  const MPI_Ibcast = func(
    'MPI_Ibcast',
    'void *data, int count, HANDLE type, int root, HANDLE comm, void *request',
  );
  const MPI_Isend = func(
    'MPI_Isend',
    'void *data, int count, HANDLE type, int to, int tag, HANDLE comm, void *request',
  );
  const MPI_Irecv = func(
    'MPI_Irecv',
    'void *data, int count, HANDLE type, int from, int tag, HANDLE comm, void *request',
  );
  const MPI_Test = func('MPI_Test', 'void *request, int *flag, void *status');
  const MPI_Finalize = func('MPI_Finalize', 'void');
  const MPI_Abort = func('MPI_Abort', 'HANDLE comm, int code');
  const ask = (call: (...args: unknown[]) => void) => {
    const answer = new Int32Array(new ArrayBuffer(4));
    call(WORLD, answer);
    return answer[0];
  };
  return {
    description: `${openMpi ? 'Open MPI' : 'MPICH'} (${path})`,
    init: () => MPI_Init(null, null),
    rank: () => ask(MPI_Comm_rank),
    size: () => ask(MPI_Comm_size),
    // Kept outside V8's heap, where the collector moves small arrays.
    request: () => ({
      handle: new Uint8Array(new ArrayBuffer(8)),
      flag: new Int32Array(new ArrayBuffer(4)),
    }),
    iallreduce: (data, request) =>
      MPI_Iallreduce(IN_PLACE, data, data.length, FLOAT, SUM, WORLD, request.handle),
    ibcast: (data, root, request) => MPI_Ibcast(data, data.length, BYTE, root, WORLD, request.handle),
    isend: (data, to, tag, request) => MPI_Isend(data, data.length, BYTE, to, tag, WORLD, request.handle),
    irecv: (data, from, tag, request) => MPI_Irecv(data, data.length, BYTE, from, tag, WORLD, request.handle),
    test: (request) => {
      MPI_Test(request.handle, request.flag, IGNORE);
      return request.flag[0] !== 0;
    },
    finalize: () => MPI_Finalize(),
    abort: (code) => MPI_Abort(WORLD, code),
  };
}

/** Only MPI needs it: the workers of one machine do without. */
async function foreignFunctions(): Promise<typeof Koffi> {
  try {
    return await import('koffi');
  } catch (error) {
    throw new DistributedError('MPI cannot be called from here', {
      found: `koffi, the package that calls it: ${messageOf(error).split('\n')[0]}`,
      help: 'npm install koffi; run.dist_backend=local needs none',
    });
  }
}

function open(
  koffi: typeof Koffi,
  candidates: readonly string[],
): { library: Koffi.LibraryHandle; path: string } {
  const wanted = process.env.LAVIS_LIBMPI;
  const tried: string[] = [];
  for (const path of wanted ? [wanted] : candidates) {
    try {
      // Open MPI's plug-ins look for its symbols among the process's own.
      return { library: koffi.load(path, { global: true, lazy: true }), path };
    } catch (error) {
      tried.push(`${path}: ${messageOf(error).split('\n')[0]}`);
    }
  }
  throw new DistributedError('MPI is not installed', {
    found: tried.join('\n'),
    help: `${INSTALL}; LAVIS_LIBMPI names a library that is elsewhere; run.dist_backend=local needs none`,
  });
}

function hasSymbol(library: Koffi.LibraryHandle, name: string): boolean {
  try {
    library.symbol(name);
    return true;
  } catch {
    return false;
  }
}
