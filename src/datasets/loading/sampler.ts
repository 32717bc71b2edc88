import { Rng } from '../../common/random.js';

export interface RankOptions {
  rank?: number;
  worldSize?: number;
}

/**
 * The indices of one rank: `order` is padded with its own start, repeated as often as needed, to a
 * multiple of the world size, and rank r takes r, r + world, r + 2·world, … Source: PyTorch's
 * DistributedSampler with drop_last=False.
 */
export function indicesOfRank(
  order: ArrayLike<number>,
  { rank = 0, worldSize = 1 }: RankOptions = {},
): Uint32Array {
  const n = order.length;
  if (n === 0) return new Uint32Array(0);
  return Uint32Array.from({ length: Math.ceil(n / worldSize) }, (_, i) => order[(rank + i * worldSize) % n]);
}

export interface OrderOptions extends RankOptions {
  shuffle?: boolean;
  seed?: number;
}

/** The indices that this rank visits in this epoch, in order: a function of its arguments alone. */
export function epochOrder(length: number, epoch: number, options: OrderOptions = {}): Uint32Array {
  const { shuffle = false, seed = 0 } = options;
  const order = shuffle
    ? Rng.of(seed, 'order', epoch).permutation(length)
    : Uint32Array.from({ length }, (_, i) => i);
  return indicesOfRank(order, options);
}

/** Batches of `perRank` samples; a last partial one is dropped or kept. */
export function batchCount(perRank: number, batchSize: number, dropLast: boolean): number {
  return dropLast ? Math.floor(perRank / batchSize) : Math.ceil(perRank / batchSize);
}

/** Consecutive batches of an order. */
export function batchesOf(order: Uint32Array, batchSize: number, dropLast: boolean): Uint32Array[] {
  return Array.from({ length: batchCount(order.length, batchSize, dropLast) }, (_, i) =>
    order.subarray(i * batchSize, (i + 1) * batchSize),
  );
}
