import { createRequire } from 'node:module';
import { EngineError, messageOf } from '../../common/errors.js';
import { quietly } from '../../common/quiet.js';
import { localRank, visibleGpus } from '../../common/world.js';
import { tf } from '../tf.js';

export const PACKAGE = '@tensorflow/tfjs-node-gpu';

export interface CudaOptions {
  /** Counted among the GPUs that CUDA_VISIBLE_DEVICES leaves; this worker's own by default. */
  index?: number;
}

/** What TensorFlow.js's backend on libtensorflow tells of itself. */
interface NodeBackend {
  isUsingGpuDevice: boolean;
}

const SETUP = 'lavis setup cuda';
/** It is not among our dependencies: few have CUDA 11.2, and it brings the whole of TensorFlow.js. */
export const INSTALL = `npm install ${PACKAGE}@4.22.0`;

/**
 * The `tensorflow` backend of tfjs-node-gpu: libtensorflow on CUDA. One process has one GPU.
 * @throws EngineError where package, library, driver or GPU are missing: what to do
 */
export async function openCudaBackend({ index }: CudaOptions): Promise<{
  backend: string;
  description: string;
}> {
  const visible = chooseGpu(process.env, index);
  // libtensorflow reads both once, when it is loaded.
  if (visible !== undefined) process.env.CUDA_VISIBLE_DEVICES = visible;
  process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true';
  process.env.TF_CPP_MIN_LOG_LEVEL ??= process.env.LAVIS_DEBUG === '1' ? '0' : '3';
  restoreUtil();
  try {
    quietly(() => createRequire(import.meta.url)(PACKAGE));
  } catch (error) {
    throw explain(error);
  }
  const { isUsingGpuDevice } = tf.findBackend('tensorflow') as unknown as NodeBackend;
  if (!isUsingGpuDevice) {
    tf.removeBackend('tensorflow');
    throw new EngineError('TensorFlow is there, but finds no GPU that it can use', {
      help: "nvidia-smi shows the driver's GPUs; TensorFlow 2.9 needs CUDA 11.2 and cuDNN 8.1 on LD_LIBRARY_PATH (docs/gpu.md)",
    });
  }
  return { backend: 'tensorflow', description: `TensorFlow on CUDA${visible ? `, GPU ${visible}` : ''}` };
}

/**
 * The value of CUDA_VISIBLE_DEVICES for this process, undefined where nobody chooses: the GPU of that index;
 * for the workers of a machine, by their local rank, each GPU in turn.
 * @param gpus lists those that there are
 */
export function chooseGpu(
  env: Record<string, string | undefined>,
  index?: number,
  gpus: typeof visibleGpus = visibleGpus,
): string | undefined {
  if (index === undefined) {
    const rank = localRank(env);
    if (rank === undefined) return env.CUDA_VISIBLE_DEVICES;
    const there = gpus(env);
    return there.length > 0 ? there[rank % there.length] : (env.CUDA_VISIBLE_DEVICES ?? String(rank));
  }
  const visible = env.CUDA_VISIBLE_DEVICES?.split(',').map((id) => id.trim());
  if (!visible) return String(index);
  // A launcher that left this process one GPU has chosen for it.
  if (visible.length === 1) return visible[0];
  const chosen = visible[index];
  if (chosen !== undefined) return chosen;
  throw new EngineError(`no GPU ${index}`, {
    found: `CUDA_VISIBLE_DEVICES=${env.CUDA_VISIBLE_DEVICES}: ${visible.length} GPUs`,
    allowed: `0 to ${visible.length - 1}`,
  });
}

/** Node 23 took away functions of `util` that tfjs-node-gpu 4.22 calls in its kernels. */
export function restoreUtil(): void {
  const util = createRequire(import.meta.url)('node:util') as Record<string, unknown>;
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  util.isArray ??= Array.isArray;
}

function explain(error: unknown): EngineError {
  const code = (error as NodeJS.ErrnoException).code;
  const message = messageOf(error);
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') {
    const help = `${INSTALL} && ${SETUP}`;
    return new EngineError(`${PACKAGE} is not installed`, { help, cause: error });
  }
  if (message.includes('native addon module')) {
    return new EngineError(`${PACKAGE} has no binary for this machine yet`, { help: SETUP, cause: error });
  }
  if (/is not a function/.test(message) && Number(process.versions.node.split('.')[0]) >= 23) {
    return new EngineError(`${PACKAGE} 4.22 does not run on Node ${process.versions.node}: ${message}`, {
      help: 'Node 20 or 22: tfjs-node calls functions of node:util that Node 23 removed',
      cause: error,
    });
  }
  return new EngineError(message.split('\n')[0], {
    help: `a library that cannot be opened: CUDA 11.2 and cuDNN 8.1 on LD_LIBRARY_PATH; ${SETUP} checks`,
    cause: error,
  });
}
