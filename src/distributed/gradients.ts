import { isHostMemory, peek, tf } from '../engine/index.js';
import { requireSame } from './collectives.js';
import type { Communicator } from './communicator.js';

export interface GradientAveragerOptions {
  /** A bucket's size; 25 MB as in PyTorch. */
  bucketBytes?: number;
}

interface Bucket {
  readonly index: number;
  readonly names: string[];
  /** Where each gradient begins. */
  readonly offsets: Map<string, number>;
  /** Gradients, then a flag a parameter: whether any rank used it. */
  readonly data: Float32Array<ArrayBuffer>;
  missing: Set<string>;
  /** Gradients on a graphics card, flat, until the bucket is full. */
  readonly waiting: Map<string, tf.Tensor>;
  reduced: Promise<void> | undefined;
}

/**
 * Averages gradients over the ranks in buckets, as PyTorch's DistributedDataParallel does. Buckets are
 * filled from the last parameter to the first, the order in which backward makes gradients, and sent as
 * soon as they are full, in the same order on every rank. A graphics card is not waited for: a bucket is read
 * in one piece, and keeps its turn among the exchanges until it has come.
 *
 *     const averager = new GradientAverager(comm, model.namedParameters());
 *     averager.begin();
 *     const { value } = valueAndGrads(loss, variables, { onGrad: (name, grad) => averager.add(name, grad) });
 *     const grads = await averager.finish();
 */
export class GradientAverager {
  readonly #comm: Communicator;
  readonly #shapes = new Map<string, number[]>();
  readonly #buckets: Bucket[] = [];
  readonly #bucketOf = new Map<string, Bucket>();
  #next = 0;
  /** Each rank's part of the mean; known once the first call of a step is done. */
  #parts: Promise<readonly number[]> = Promise.resolve([]);

  constructor(
    comm: Communicator,
    variables: ReadonlyMap<string, tf.Variable>,
    { bucketBytes = 25 * 1024 * 1024 }: GradientAveragerOptions = {},
  ) {
    this.#comm = comm;
    let group: string[] = [];
    let elements = 0;
    const groups: string[][] = [];
    const seal = () => {
      if (group.length > 0) groups.push(group);
      group = [];
      elements = 0;
    };
    for (const [name, variable] of [...variables].reverse()) {
      this.#shapes.set(name, variable.shape);
      if (elements > 0 && (elements + variable.size) * 4 > bucketBytes) seal();
      group.push(name);
      elements += variable.size;
    }
    seal();
    const lengths = groups.map((names) => names.reduce((sum, name) => sum + this.#size(name) + 1, 0));
    for (const [i, data] of comm.arrays(lengths).entries()) this.#buckets.push(this.#bucket(groups[i], data));
  }

  /**
   * Starts a step.
   * @param weights how much each rank's gradients count (labels in its batch, say), by rank, the same list on every
   *   rank; may rest on calls made before. The plain mean where it is left out
   */
  begin(weights?: Promise<readonly number[]>): void {
    this.#next = 0;
    const equal = new Array<number>(this.#comm.worldSize).fill(1);
    this.#parts = (weights ?? Promise.resolve(equal)).then((all) => {
      const total = all.reduce((sum, one) => sum + one, 0);
      return all.map((one) => one / total);
    });
    this.#parts.catch(() => {}); // finish() throws it.
    for (const bucket of this.#buckets) {
      bucket.missing = new Set(bucket.names);
      tf.dispose([...bucket.waiting.values()]); // of a step that failed
      bucket.waiting.clear();
      bucket.reduced = undefined;
    }
  }

  /** Takes a final gradient; the tensor stays the caller's. */
  add(name: string, grad: tf.Tensor): void {
    const bucket = this.#bucketOf.get(name);
    if (!bucket) throw new RangeError(`no variable is named '${name}'`);
    if (!bucket.missing.delete(name)) throw new RangeError(`'${name}' has two gradients in one step`);
    if (isHostMemory()) this.#part(bucket, name).set(peek(grad) as Float32Array);
    else bucket.waiting.set(name, tf.keep(tf.reshape(grad, [-1])));
    this.#send(false);
  }

  /**
   * Waits for all buckets; parameters without a gradient on some rank count as zero there.
   * @returns the averaged gradients, new tensors that hold until the next begin(); none for parameters that
   * no rank used
   */
  async finish(): Promise<Map<string, tf.Tensor>> {
    this.#send(true);
    const grads = new Map<string, tf.Tensor>();
    for (const bucket of this.#buckets) {
      await bucket.reduced;
      const flags = this.#flags(bucket);
      for (const [i, name] of bucket.names.entries()) {
        if (flags[i] === 0) continue;
        grads.set(name, tf.tensor(this.#part(bucket, name), this.#shapes.get(name)!, 'float32'));
      }
    }
    return grads;
  }

  /** Sends the full buckets whose turn it is; all of them at the end. */
  #send(all: boolean): void {
    while (this.#next < this.#buckets.length) {
      const bucket = this.#buckets[this.#next];
      if (bucket.missing.size > 0 && !all) return;
      const flags = this.#flags(bucket);
      for (const [i, name] of bucket.names.entries()) {
        const missing = bucket.missing.has(name);
        if (missing) this.#part(bucket, name).fill(0);
        flags[i] = missing ? 0 : 1;
      }
      const ready = bucket.waiting.size > 0 ? this.#read(bucket) : undefined;
      ready?.catch(() => {}); // The exchange throws it.
      bucket.reduced = this.#comm.allReduce(bucket.data, `gradients, bucket ${bucket.index}`, {
        factors: this.#parts,
        ready,
      });
      bucket.reduced.catch(() => {}); // finish() throws it.
      this.#next++;
    }
  }

  /** Brings the gradients of a full bucket from the graphics card. */
  async #read(bucket: Bucket): Promise<void> {
    const names = [...bucket.waiting.keys()];
    const flat = [...bucket.waiting.values()] as tf.Tensor1D[];
    bucket.waiting.clear();
    const joined = tf.keep(tf.concat(flat));
    tf.dispose(flat);
    try {
      const values = (await joined.data()) as Float32Array;
      let at = 0;
      for (const name of names) {
        const part = this.#part(bucket, name);
        part.set(values.subarray(at, at + part.length));
        at += part.length;
      }
    } finally {
      joined.dispose();
    }
  }

  /** Where a bucket holds a parameter's gradient. */
  #part(bucket: Bucket, name: string): Float32Array<ArrayBuffer> {
    const at = bucket.offsets.get(name)!;
    return bucket.data.subarray(at, at + this.#size(name));
  }

  #size(name: string): number {
    return tf.util.sizeFromShape(this.#shapes.get(name)!);
  }

  #flags({ data, names }: Bucket): Float32Array {
    return data.subarray(data.length - names.length);
  }

  #bucket(names: string[], data: Float32Array<ArrayBuffer>): Bucket {
    const offsets = new Map<string, number>();
    let elements = 0;
    for (const name of names) {
      offsets.set(name, elements);
      elements += this.#size(name);
    }
    const bucket: Bucket = {
      index: this.#buckets.length,
      names,
      offsets,
      data,
      missing: new Set(names),
      waiting: new Map(),
      reduced: undefined,
    };
    for (const name of names) this.#bucketOf.set(name, bucket);
    return bucket;
  }
}

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
