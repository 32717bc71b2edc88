import { ConfigError } from '../common/errors.js';
import type { Communicator } from '../distributed/index.js';
import { noGrad, peek, tf } from '../engine/index.js';
import { type Initializer, normal } from '../nn/index.js';

/** A queue's first values: random columns of length 1. @param size columns */
export const randomColumns =
  (size: number): Initializer =>
  (values, rng) => {
    normal(1)(values, rng);
    const rows = values.length / size;
    for (let column = 0; column < size; column++) {
      let sum = 0;
      for (let row = 0; row < rows; row++) sum += values[row * size + column] ** 2;
      const length = Math.max(Math.sqrt(sum), 1e-12);
      for (let row = 0; row < rows; row++) values[row * size + column] /= length;
    }
  };

/** @throws ConfigError when batches do not fill the queue exactly. @param batch of all ranks together */
export function checkQueueSize(size: number, batch: number): void {
  if (size % batch === 0) return;
  throw new ConfigError('model.queue_size is not a multiple of the batch', {
    found: `a queue of ${size}, batches of ${batch} over all ranks`,
    allowed: `a multiple of ${batch}, such as ${Math.max(1, Math.round(size / batch)) * batch}`,
    help: 'model.queue_size=NUMBER, or another run.batch_size_train',
  });
}

/**
 * The newest features of earlier batches, oldest overwritten first. It lies in buffers of the model, so that it is
 * saved and told to other ranks. Source: arXiv:1911.05722; lavis/models/albef_models, _dequeue_and_enqueue.
 */
export class FeatureQueue {
  /**
   * @param queues [D, size] each, of one size
   * @param pointer int32 [1], where the next columns go
   */
  constructor(
    readonly queues: readonly tf.Variable[],
    readonly pointer: tf.Variable,
  ) {}

  /** Whether it takes nothing in. */
  held = false;
  #deferred = false;
  #waiting: tf.Tensor[] = [];

  get size(): number {
    return this.queues[0].shape[1]!;
  }

  /**
   * Overwrites the oldest columns; after `defer`, keeps them for `exchange`; while held, does nothing.
   * @param columns [D, B] for each queue
   * @throws ConfigError when the size is not a multiple of B.
   */
  enqueue(columns: readonly tf.Tensor[]): void {
    if (this.held) return;
    if (this.#deferred) this.#waiting = columns.map((column) => tf.keep(column.clone()));
    else this.#write(columns);
  }

  /** Where there are other ranks: leaves the queue as it is until `exchange`. */
  defer(): void {
    tf.dispose(this.#waiting); // of a step that failed
    this.#waiting = [];
    this.#deferred = true;
  }

  /** Enqueues what all ranks have, in their order; every rank ends with the same queue. */
  async exchange(comm: Communicator): Promise<void> {
    this.#deferred = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    const own = await Promise.all(
      waiting.map(async (column) => ({ shape: column.shape, data: (await column.data()).slice() })),
    );
    tf.dispose(waiting);
    const all = await comm.allGather(own, 'features for the queue');
    tf.tidy(() => {
      const columns = this.queues.map(({ dtype }, i) =>
        tf.concat(
          all.map((rank) => tf.tensor(rank[i].data, rank[i].shape, dtype)),
          1,
        ),
      );
      this.#write(columns);
    });
  }

  #write(columns: readonly tf.Tensor[]): void {
    const count = columns[0].shape[1]!;
    checkQueueSize(this.size, count);
    const at = peek(this.pointer)[0];
    noGrad(() =>
      tf.tidy(() => {
        this.queues.forEach((queue, i) => {
          queue.assign(withColumns(queue, columns[i], at));
        });
        this.pointer.assign(tf.tensor1d([(at + count) % this.size], 'int32'));
      }),
    );
  }

  /** Starts over at the first column, as a model that is built does. */
  rewind(): void {
    tf.tidy(() => this.pointer.assign(tf.zerosLike(this.pointer)));
  }
}

/** A queue [D, size] with some columns [D, B] written over its own, from a place on; there they end with it at most. */
function withColumns(queue: tf.Tensor, columns: tf.Tensor, at: number): tf.Tensor {
  const size = queue.shape[1]!;
  const end = Math.min(size, at + columns.shape[1]!);
  return tf.concat(
    [
      queue.slice([0, 0], [-1, at]),
      columns.slice([0, 0], [-1, end - at]),
      queue.slice([0, end], [-1, size - end]),
    ],
    1,
  );
}
