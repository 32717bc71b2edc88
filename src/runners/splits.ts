import { ConfigError } from '../common/errors.js';
import {
  type BadSamples,
  type BatchSource,
  DataLoader,
  type Dataset,
  type Splits as DatasetSplits,
  type GroundTruth,
} from '../datasets/index.js';
import type { RunSettings } from './settings.js';
import type { World } from './world.js';

/** Datasets by name, then by split, as the builders made them. */
export type DatasetsBySplit = Record<string, DatasetSplits>;

/** The run's datasets turned from name -> split into split -> loader. */
export class Splits {
  constructor(
    private readonly datasets: DatasetsBySplit,
    private readonly settings: RunSettings,
    private readonly world: World,
    private readonly plugins: readonly string[],
  ) {
    const { trainSplits, validSplits, testSplits, evaluate } = settings;
    for (const split of evaluate ? testSplits : [...trainSplits, ...validSplits, ...testSplits]) {
      this.#of(split);
    }
  }

  /** Shuffled batches of the train split; a last partial one is dropped. */
  trainLoader(badSamples: BadSamples): BatchSource {
    const { batchSizeTrain, trainSplits } = this.settings;
    if (trainSplits.length !== 1) {
      throw new ConfigError('training takes one split', {
        where: 'run.train_splits',
        found: `[${trainSplits.join(', ')}]`,
        allowed: "['train']",
      });
    }
    return this.#loader({
      dataset: this.#of(trainSplits[0]),
      batchSize: batchSizeTrain,
      training: true,
      badSamples,
    });
  }

  /** The batches of an evaluation split, in order, every sample. */
  evalLoader(split: string, badSamples?: BadSamples): BatchSource {
    const { batchSizeEval } = this.settings;
    return this.#loader({ dataset: this.#of(split), batchSize: batchSizeEval, training: false, badSamples });
  }

  /** What the captions of a split are scored against, in COCO's form. */
  groundTruth(split: string): GroundTruth | undefined {
    const dataset = this.#of(split) as Dataset & { groundTruth?(): GroundTruth | undefined };
    return dataset.groundTruth?.();
  }

  #loader({ dataset, batchSize, training, badSamples }: LoaderParts): BatchSource {
    const { numWorkers, seed } = this.settings;
    const { rank, worldSize } = this.world;
    const options = { numWorkers, seed, rank, worldSize, plugins: this.plugins, badSamples };
    return new DataLoader({ dataset, batchSize, shuffle: training, dropLast: training, ...options });
  }

  /** The dataset of a split. @throws ConfigError when none has it, or several do. */
  #of(split: string): Dataset {
    const having = Object.entries(this.datasets).filter(([, splits]) => splits[split]);
    if (having.length === 1) return having[0][1][split] as Dataset;
    const names = Object.keys(this.datasets);
    const known = new Set(Object.values(this.datasets).flatMap((splits) => Object.keys(splits)));
    throw new ConfigError(
      having.length ? `several datasets have the split '${split}'` : `no dataset has the split '${split}'`,
      {
        where: 'run.train_splits, run.valid_splits or run.test_splits',
        found: `${names.join(' and ')} with ${[...known].join(', ') || 'no splits'}`,
      },
    );
  }
}

interface LoaderParts {
  dataset: Dataset;
  batchSize: number;
  training: boolean;
  badSamples?: BadSamples;
}
