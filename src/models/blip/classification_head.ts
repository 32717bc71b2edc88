import { DataError } from '../../common/errors.js';
import { tf } from '../../engine/index.js';
import { Linear, Module, normal } from '../../nn/index.js';
import type { MedConfig } from '../med/config.js';

/** Linear, ReLU, Linear: the classes of what the first token says. */
export class ClassificationHead extends Module {
  readonly hidden: Linear;
  readonly classes: Linear;

  constructor(
    { hiddenSize, initializerRange }: MedConfig,
    readonly numClasses: number,
  ) {
    super();
    const init = normal(initializerRange);
    // The names of a Sequential; number 1 is the ReLU.
    this.hidden = this.child('0', new Linear(hiddenSize, hiddenSize, init));
    this.classes = this.child('2', new Linear(hiddenSize, numClasses, init));
  }

  /** @param x [B, D]; returns logits [B, classes]. */
  forward(x: tf.Tensor2D): tf.Tensor2D {
    return this.classes.forward(tf.relu(this.hidden.forward(x))) as tf.Tensor2D;
  }
}

/** What a classifier says of a batch. The caller owns the tensor. */
export interface Predictions {
  /** Logits, [B, classes]. */
  predictions: tf.Tensor2D;
  /** The labels that came with the batch; none where it has none. */
  targets: number[];
}

/**
 * The labels of a batch as a tensor.
 * @throws DataError unless there is one for each sample, and each is a class of the model.
 */
export function labelsTensor(
  labels: ArrayLike<number> | undefined,
  batch: number,
  classes: number,
): tf.Tensor1D {
  const given = Array.from(labels ?? []);
  if (given.length !== batch) {
    throw new DataError('each sample needs a label', {
      found: `${batch} samples, ${given.length} labels`,
    });
  }
  const wrong = given.find((label) => !Number.isInteger(label) || label < 0 || label >= classes);
  if (wrong !== undefined) {
    throw new DataError('a label is not one of the classes of the model', {
      found: `${wrong}`,
      allowed: `0 to ${classes - 1}: model.num_classes is ${classes}`,
    });
  }
  return tf.tensor1d(given, 'int32');
}
