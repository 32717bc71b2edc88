import { tf } from '../engine/index.js';
import { requireSame } from './collectives.js';
import type { Communicator } from './communicator.js';

/**
 * Gives every rank the root's values of the variables, tied ones once. All ranks must have the same names and
 * shapes.
 */
export async function broadcastVariables(
  comm: Communicator,
  variables: ReadonlyMap<string, tf.Variable>,
  what = 'weights',
): Promise<void> {
  if (comm.worldSize === 1) return;
  await requireSame(
    comm,
    [...variables].map(([name, { shape, dtype }]) => `${name} ${dtype} [${shape.join()}]`),
    what,
  );
  const done = new Set<tf.Variable>();
  for (const [name, variable] of variables) {
    if (done.has(variable)) continue; // the second name of a tied tensor
    done.add(variable);
    const values = (await variable.data()).slice() as Float32Array | Int32Array | Uint8Array;
    await comm.broadcast(values, 0, `${what}: ${name}`);
    if (comm.rank > 0) tf.tidy(() => variable.assign(tf.tensor(values, variable.shape, variable.dtype)));
  }
}
