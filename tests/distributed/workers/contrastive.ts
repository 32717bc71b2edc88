/**
 * A rank of the tests of models that take in other ranks' features: makes steps of a fixture's model through
 * TrainStep, and writes the averaged gradients of the first one and the queue after it. argv: model, folder, steps
 * drawn after it, all (negatives of all ranks) or own.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { saveSafetensors } from '#src/checkpoint/index.js';
import type { HostTensor } from '#src/common/host_tensor.js';
import { broadcastVariables, initCommunicator } from '#src/distributed/index.js';
import { setupEngine, tf } from '#src/engine/index.js';
import { AdamW } from '#src/optim/index.js';
import { TrainStep } from '#src/runners/train_step.js';
import {
  hostOf,
  type PairArch,
  type Pairs,
  PlainTask,
  pairModel,
  pairsOf,
  rankPart,
} from '../../models/pairs.js';

const [arch, folder, accumulated, negatives] = process.argv.slice(2) as [PairArch, ...string[]];
await setupEngine({ device: 'cpu', threads: 1 });
const comm = await initCommunicator();
const { rank, worldSize } = comm;
const all = negatives === 'all';
const model = await pairModel(arch, all);
const pairs: Pairs = await pairsOf(all);
tf.tidy(() => model.queue.pointer.assign(tf.tensor1d([pairs.pointer], 'int32')));
await broadcastVariables(comm, model.stateDict());

const written = new Map<string, HostTensor>();
/** Keeps what the first update is made of. */
class Watched extends AdamW {
  #updates = 0;

  override step(grads: Map<string, tf.Tensor>, lr: number): void {
    if (this.#updates++ === 0)
      for (const [name, grad] of grads) written.set(`gradient.${name}`, hostOf(grad));
    super.step(grads, lr);
  }
}
const accumGradIters = Number(accumulated);
const optimizer = new Watched(model.getOptimizerParams(0.05), { lr: 1e-3 });
const step = new TrainStep({ task: new PlainTask(), model, optimizer, accumGradIters, comm });
const part = rankPart(pairs, rank, worldSize);
const report = await step.run(part, 1e-3, accumGradIters === 1, pairs.at);
for (const [i, queue] of model.queue.queues.entries()) written.set(`queue.${i}`, hostOf(queue));
written.set('pointer', hostOf(model.queue.pointer));

// Negatives that are drawn, and a step that ends with an update: ranks stay equal, and nothing is left behind.
const { negatives: _, ...drawing } = part;
const before = tf.memory().numTensors;
await step.run(drawing, 1e-3, true, pairs.at);
assert.ok(tf.memory().numTensors <= before, `${tf.memory().numTensors} tensors, ${before} before`);
const weights = new Map([...model.stateDict()].map(([name, tensor]) => [`weights.${name}`, hostOf(tensor)]));
await saveSafetensors(join(folder, `rank${rank}.safetensors`), new Map([...written, ...weights]));
await new Promise((done) =>
  process.stdout.write(`${JSON.stringify({ rank, losses: report.losses })}\n`, done),
);
await comm.close();
