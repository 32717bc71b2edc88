import { timedProgress } from '../common/progress.js';
import { Rng } from '../common/random.js';
import {
  batchesOf,
  batchSize,
  DataLoader,
  type Dataset,
  type LoadingOptions,
  Subset,
} from '../datasets/index.js';
import type { Communicator } from '../distributed/index.js';
import { tf } from '../engine/index.js';
import type { Model } from '../models/index.js';
import type { BaseTask } from '../tasks/index.js';
import { numbersOf } from './train_step.js';

export interface SplitLosses {
  split: string;
  task: BaseTask;
  model: Model;
  /** The split in its training form. */
  dataset: Dataset;
  batchSize: number;
  loading: LoadingOptions;
  comm: Communicator;
  onBatch?(): Promise<void>;
}

/** The losses of one batch, and how much they count. */
interface BatchLosses {
  place: number;
  losses: Record<string, number>;
  weight: number;
}

/**
 * The losses of a split by name, as training would have them without dropout: the mean over all that is predicted.
 * The order is fixed, and shuffled, as losses that compare the samples of a batch are no use among captions of one
 * image. Ranks share whole batches out, and each batch has random numbers of its own: neither depends the result on
 * how many ranks there are, nor does training on it.
 */
export async function splitLosses(options: SplitLosses): Promise<Record<string, number>> {
  const { split, task, model, dataset, comm, loading, onBatch } = options;
  const order = Rng.of('order of a loss').permutation(dataset.length);
  const places = batchesOf(order, options.batchSize, false)
    .map((indices, place) => ({ indices, place }))
    .filter(({ place }) => place % comm.worldSize === comm.rank);
  const own = new Subset(
    dataset,
    places.flatMap(({ indices }) => [...indices]),
  );
  const progress = timedProgress(`Loss on ${split}`, places.length);
  const found: BatchLosses[] = [];
  model.eval();
  model.hold?.(true);
  try {
    for await (const batch of batchesIn(own, options.batchSize, loading)) {
      const { place } = places[found.length];
      model.seed(place);
      const kept: Record<string, tf.Scalar> = {};
      const weight = tf.tidy(() => {
        const { named, weight = batchSize(batch) } = task.validLoss(model, batch);
        for (const [name, scalar] of Object.entries(named)) kept[name] = tf.keep(scalar.clone());
        return weight;
      });
      const losses = await numbersOf(kept).finally(() => tf.dispose(kept));
      found.push({ place, losses, weight });
      progress(found.length);
      await onBatch?.();
    }
  } finally {
    model.hold?.(false);
    model.train();
  }
  const all = (await comm.allGather(found, 'losses of a split')).flat();
  return weightedMean(all.sort((a, b) => a.place - b.place));
}

async function* batchesIn(dataset: Dataset, batchSize: number, loading: LoadingOptions) {
  if (dataset.length === 0) return; // fewer batches than ranks
  const loader = new DataLoader({ ...loading, rank: 0, worldSize: 1, dataset, batchSize });
  try {
    yield* loader.epoch(0);
  } finally {
    await loader.close();
  }
}

function weightedMean(batches: readonly BatchLosses[]): Record<string, number> {
  const total = batches.reduce((sum, { weight }) => sum + weight, 0);
  const mean = (name: string) =>
    batches.reduce((sum, { losses, weight }) => sum + losses[name] * weight, 0) / total;
  return Object.fromEntries(Object.keys(batches[0].losses).map((name) => [name, mean(name)]));
}
