import { setupEngine, tf } from '#src/engine/index.js';

/**
 * The TensorFlow.js backends of the devices that this machine has. LAVIS_TEST_DEVICES names others than the
 * CPU's, which takes part always: a slow software adapter would make every run of the tests slow.
 */
export async function backendsHere(): Promise<string[]> {
  const devices = ['cpu', ...(process.env.LAVIS_TEST_DEVICES ?? '').split(',').filter(Boolean)];
  const backends: string[] = [];
  for (const device of devices) backends.push((await setupEngine({ device, threads: 2 })).backend);
  return backends;
}

/** Runs `f` on a backend; what it returns must be plain data. */
export async function on<T>(backend: string, f: () => Promise<T>): Promise<T> {
  const before = tf.getBackend();
  await tf.setBackend(backend);
  try {
    return await f();
  } finally {
    await tf.setBackend(before);
  }
}
