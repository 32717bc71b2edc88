import { tf } from '../engine/index.js';
import { requireSame } from './collectives.js';
import type { Communicator } from './communicator.js';

/** Gives every rank the root's values of the variables. All ranks must have the same names and shapes. */
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
  for (const [name, variable] of variables) {
    const values = (await variable.data()).slice() as Float32Array | Int32Array | Uint8Array;
    await comm.broadcast(values, 0, `${what}: ${name}`);
    if (comm.rank > 0) tf.tidy(() => variable.assign(tf.tensor(values, variable.shape, variable.dtype)));
  }
}
