import type { Communicator } from '../distributed/index.js';
import { record, tf, valueAndGrads } from '../engine/index.js';
import type { Encoded, Exchanged } from '../models/index.js';
import { addGradients, type Gradients } from './gradients.js';

/**
 * A step of a model whose losses take in other ranks' samples, gradients included: what each rank encodes is
 * gathered, the losses are recorded over all of it, and each rank carries the gradients that all ranks have for its
 * samples back through what it encoded. Source: lavis/models/base_model.py, GatherLayer.
 */
export class FeatureExchange {
  constructor(
    private readonly comm: Communicator,
    private readonly parameters: Map<string, tf.Variable>,
  ) {}

  /** This rank's gradients of the loss, those through its samples in other ranks' losses among them. */
  async gradients(
    encode: () => Encoded,
    loss: (exchanged: Exchanged) => tf.Scalar,
    options: { float16?: boolean },
  ): Promise<Gradients> {
    const { comm } = this;
    const first = record(encode, this.parameters, options);
    const names = Object.keys(first.outputs);
    const own = variablesOf(first.outputs);
    const gathered = await this.#gathered(first.outputs);
    const all = variablesOf(gathered);
    try {
      const places = names.flatMap((name): [string, tf.Variable][] => [
        [`own ${name}`, own[name]],
        [`all ${name}`, all[name]],
      ]);
      const { value, grads } = valueAndGrads(
        () => loss({ own, all, rank: comm.rank }),
        new Map([...this.parameters, ...places]),
        options,
      );
      value.dispose();
      const dys: Record<string, tf.Tensor> = {};
      for (const name of names) {
        dys[name] = await this.#ofOwnRows(
          own[name],
          all[name],
          take(grads, `own ${name}`),
          take(grads, `all ${name}`),
        );
      }
      addGradients(grads, first.backward(dys));
      tf.dispose(dys);
      return grads;
    } finally {
      first.dispose();
      tf.dispose([first.outputs, gathered, own, all]); // variables share what they were made of
    }
  }

  /** The rows of all ranks, in their order. */
  async #gathered(outputs: Encoded): Promise<Encoded> {
    const gathered: Encoded = {};
    for (const [name, tensor] of Object.entries(outputs)) {
      const values = (await tensor.data()).slice() as Float32Array;
      const all = await this.comm.allGather({ values, shape: tensor.shape }, `encoded ${name}`);
      const parts = all.map(({ values, shape }) => tf.tensor(values, shape));
      gathered[name] = tf.concat(parts, 0);
      tf.dispose(parts);
    }
    return gathered;
  }

  /** The gradient of what this rank encoded: its own, and its rows of the sum over all ranks. */
  async #ofOwnRows(
    own: tf.Tensor,
    all: tf.Tensor,
    ownGrad: tf.Tensor | undefined,
    allGrad: tf.Tensor | undefined,
  ): Promise<tf.Tensor> {
    const sum = allGrad ? ((await allGrad.data()).slice() as Float32Array) : new Float32Array(all.size);
    allGrad?.dispose();
    await this.comm.allReduce(sum, 'gradients of what was encoded');
    // Ranks have batches of one size: the last, partial one is dropped in training.
    const rows = sum.subarray(this.comm.rank * own.size, (this.comm.rank + 1) * own.size);
    const dy = tf.tensor(rows, own.shape);
    if (!ownGrad) return dy;
    const total = tf.add(dy, ownGrad);
    tf.dispose([dy, ownGrad]);
    return total;
  }
}

const variablesOf = (tensors: Encoded): Record<string, tf.Variable> =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, tf.variable(tensor)]));

function take(grads: Gradients, name: string): tf.Tensor | undefined {
  const grad = grads.get(name);
  grads.delete(name);
  return grad;
}
