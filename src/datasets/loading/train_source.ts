import type { Dataset, IterableDataset } from '../types.js';
import { BadSamples } from './bad_samples.js';
import type { BatchSource, LoadingOptions } from './batch_source.js';
import { DataLoader } from './data_loader.js';
import { ChainDataset, ConcatDataset } from './joined_datasets.js';
import { MixedLoader } from './mixed_loader.js';
import { StreamLoader } from './stream_loader.js';

export interface TrainSourceOptions extends LoadingOptions {
  batchSize: number;
  /** `run.train_dataset_ratios`: how often each dataset gives the batch. */
  ratios?: readonly number[] | null;
}

const isIterable = (dataset: Dataset | IterableDataset): dataset is IterableDataset => 'iterable' in dataset;

/**
 * Shuffled training batches of one dataset or several. With ratios each batch comes from one dataset,
 * drawn by ratio. Without, map-style datasets are concatenated and streams chained; where there are both,
 * each gives every other batch, on average. Source: RunnerBase.dataloaders.
 * @throws ConfigError when the ratios do not fit the datasets.
 */
export function trainSource(
  datasets: readonly (Dataset | IterableDataset)[],
  { ratios, ...given }: TrainSourceOptions,
): BatchSource {
  const badSamples = given.badSamples ?? new BadSamples({ limit: given.maxBadSamples });
  const options = { ...given, badSamples };
  const load = (dataset: Dataset | IterableDataset): BatchSource =>
    isIterable(dataset)
      ? new StreamLoader({ dataset, ...options })
      : new DataLoader({ dataset, shuffle: true, dropLast: true, ...options });
  if (ratios) return new MixedLoader(datasets.map(load), { ratios, seed: options.seed });
  const sources = chained(datasets).map(load);
  return sources.length === 1 ? sources[0] : new MixedLoader(sources, { seed: options.seed });
}

/** At most one map-style dataset and one stream. */
function chained(datasets: readonly (Dataset | IterableDataset)[]): (Dataset | IterableDataset)[] {
  const streams = datasets.filter(isIterable);
  const maps = datasets.filter((dataset): dataset is Dataset => !isIterable(dataset));
  return [
    ...(maps.length > 1 ? [new ConcatDataset(maps)] : maps),
    ...(streams.length > 1 ? [new ChainDataset(streams)] : streams),
  ];
}
