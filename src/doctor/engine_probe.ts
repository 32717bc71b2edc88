/**
 * Tries one device, in a process of its own: a driver that crashes takes nobody with it.
 * node engine_probe.js cpu: prints one line of JSON, an EngineReport.
 */
import { messageOf } from '../common/errors.js';
import { hasFloat16, listAdapters, setupEngine, tf } from '../engine/index.js';

export interface EngineReport {
  /** Adapter or library, as the engine tells it. */
  description?: string;
  /** Billions of floating-point operations a second, in a product of square matrices of `size` rows. */
  gflops?: number;
  size?: number;
  /** Whether `run.amp` has an effect. */
  float16?: boolean;
  /** WebGPU's, as `webgpu:<number>` counts them. */
  adapters?: string[];
  /** Why the device cannot be used, and what mends it. */
  error?: string;
}

const LARGEST = 4096;
const ENOUGH_MS = 100;

/** The best of three products, in the smallest size that takes long enough to be measured. */
function measureProduct(): { gflops: number; size: number } {
  for (let size = 256; ; size *= 2) {
    const x = tf.tidy(() => tf.fill([size, size], 0.5));
    const times = [0, 1, 2, 3].map(() => {
      const start = performance.now();
      // One number is read, so that the time is not that of a copy.
      tf.tidy(() => tf.matMul(x, x).slice([0, 0], [1, 1]).dataSync());
      return performance.now() - start;
    });
    x.dispose();
    const best = Math.min(...times.slice(1)); // the first one compiles
    if (best >= ENOUGH_MS || size === LARGEST || times[0] > 5000) {
      return { gflops: (2 * size ** 3) / best / 1e6, size };
    }
  }
}

async function report(device: string): Promise<EngineReport> {
  try {
    const { description } = await setupEngine({ device });
    const adapters = device === 'webgpu' ? await listAdapters() : [];
    return {
      description,
      ...measureProduct(),
      float16: hasFloat16(),
      adapters: adapters.map(({ name }, index) => `webgpu:${index} ${name}`),
    };
  } catch (error) {
    return { error: messageOf(error) };
  }
}

process.stdout.write(`${JSON.stringify(await report(process.argv[2]))}\n`);
