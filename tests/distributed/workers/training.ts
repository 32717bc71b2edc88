/**
 * A rank of the gradient tests: trains a small network on its part of a batch of 8 and prints its weights.
 * With `elsewhere`, on an engine whose tensors are not at hand. `middle` is used in the batch's second half only, `idle` never.
 */
import { createHash } from 'node:crypto';
import { broadcastVariables, GradientAverager, initCommunicator } from '#src/distributed/index.js';
import { setupEngine, tf, valueAndGrads } from '#src/engine/index.js';
import { useRecorder } from '../../engine/recorder.js';

if (process.argv[2] === 'elsewhere') await useRecorder();
else await setupEngine({ device: 'cpu', threads: 1 });
const comm = await initCommunicator();
const { rank, worldSize } = comm;
const BATCH = 8;

const filled = (shape: number[], seed: number) =>
  tf.tensor(
    Float32Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => Math.sin(i * 7.7 + seed)),
    shape,
  );
// Only rank 0 starts from the weights that count.
const variables = new Map(
  Object.entries({ first: [6, 16], middle: [16], idle: [3], last: [16, 4] }).map(([name, shape], i) => [
    name,
    tf.variable(filled(shape, rank === 0 ? i : 99), true, `v_${name}`),
  ]),
);
await broadcastVariables(comm, variables);

const part = BATCH / worldSize;
const averager = new GradientAverager(comm, variables, { bucketBytes: 200 });
const get = (name: string) => variables.get(name)!;
for (let step = 0; step < 10; step++) {
  const rows = tf.tidy(() => filled([BATCH, 6], step).slice(rank * part, part));
  const loss = (): tf.Scalar => {
    const hidden = tf.tanh(tf.matMul(rows as tf.Tensor2D, get('first') as tf.Tensor2D));
    // A shift in the second half of the batch; a rank with the first half alone does not use it.
    const upper = Math.max(0, Math.min(part, (rank + 1) * part - BATCH / 2));
    const shifted =
      upper === 0
        ? hidden
        : tf.concat([hidden.slice(0, part - upper), tf.add(hidden.slice(part - upper), get('middle'))]);
    const out = tf.matMul(shifted as tf.Tensor2D, get('last') as tf.Tensor2D);
    return tf.mean(tf.square(tf.sub(out, 1))) as tf.Scalar;
  };
  averager.begin();
  const { value } = valueAndGrads(loss, variables, {
    onGrad: (name, grad) => {
      averager.add(name, grad);
      grad.dispose();
    },
  });
  const grads = await averager.finish();
  if (grads.has('idle')) throw new Error('a gradient of nothing');
  for (const [name, grad] of grads) {
    const variable = get(name);
    tf.tidy(() => variable.assign(tf.sub(variable, tf.mul(grad, 0.1))));
    grad.dispose();
  }
  value.dispose();
  rows.dispose();
}
const weights = Object.fromEntries([...variables].map(([name, v]) => [name, [...v.dataSync()]]));
// mpirun passes on what ranks print in pieces: only short lines arrive whole.
const digest = createHash('sha256').update(JSON.stringify(weights)).digest('hex');
const told = process.argv[2] === 'digest' ? { rank, digest } : { rank, digest, weights };
process.stdout.write(`${JSON.stringify(told)}\n`);
await comm.close();
