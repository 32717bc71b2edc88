import { ConfigError, DataError } from '../common/errors.js';
import {
  type BadSamples,
  type BatchSource,
  DataLoader,
  type Dataset,
  type IterableDataset,
  type LoadingOptions,
  type Splits,
  trainSource,
} from '../datasets/index.js';
import type { Communicator } from '../distributed/index.js';
import { type Fingerprint, runFingerprint } from './fingerprint.js';
import type { RunSettings } from './settings.js';

/** Datasets by name, then by split, as the builders made them. */
export type DatasetsBySplit = Record<string, Splits>;

/** The run's datasets turned from name -> split into split -> loader. */
export class RunSplits {
  constructor(
    private readonly datasets: DatasetsBySplit,
    private readonly settings: RunSettings,
    private readonly comm: Pick<Communicator, 'rank' | 'worldSize'>,
    private readonly plugins: readonly string[],
  ) {
    checkSplits(datasets, settings);
  }

  /** Shuffled batches of the train split; a last partial one is dropped. */
  trainLoader(badSamples: BadSamples): BatchSource {
    const { batchSizeTrain, trainSplits, trainDatasetRatios } = this.settings;
    if (trainSplits.length !== 1) {
      throw new ConfigError('training takes one split', {
        where: 'run.train_splits',
        found: `[${trainSplits.join(', ')}]`,
        allowed: "['train']",
      });
    }
    return trainSource(allOf(this.datasets, trainSplits[0]), {
      ...this.loading(badSamples),
      batchSize: batchSizeTrain,
      ratios: trainDatasetRatios,
    });
  }

  /**
   * This rank's batches of an evaluation split, in order; those of all ranks hold every sample.
   * @param shared whether ranks may share them out; if not, each has all
   */
  evalLoader(split: string, badSamples?: BadSamples, shared = true): BatchSource {
    const { batchSizeEval: batchSize, useDistEvalSampler } = this.settings;
    const alone = useDistEvalSampler && shared ? {} : { rank: 0, worldSize: 1 };
    return new DataLoader({
      ...this.loading(badSamples),
      ...alone,
      dataset: evaluated(this.datasets, split),
      batchSize,
    });
  }

  /** The dataset of an evaluation split. */
  evaluated(split: string): Dataset {
    return evaluated(this.datasets, split);
  }

  /** A split in its training form, for its loss. @throws DataError where it holds nothing to learn */
  trainingForm(split: string): Dataset {
    return trainingForm(evaluated(this.datasets, split));
  }

  /** How samples are read. */
  loading(badSamples?: BadSamples): LoadingOptions {
    const { numWorkers, seed } = this.settings;
    const { rank, worldSize } = this.comm;
    return { numWorkers, seed, rank, worldSize, plugins: this.plugins, badSamples };
  }

  /** What is trained on and what chooses the best checkpoint, as a checkpoint notes it. */
  fingerprint(): Fingerprint {
    return runFingerprint(this.datasets, this.settings, this.comm.worldSize);
  }
}

/** @throws ConfigError for a split of the run that no dataset has, or that cannot be evaluated */
export function checkSplits(
  datasets: DatasetsBySplit,
  { trainSplits, validSplits, testSplits, evaluate }: RunSettings,
): void {
  if (!evaluate) for (const split of trainSplits) allOf(datasets, split);
  for (const split of evaluate ? testSplits : [...validSplits, ...testSplits]) evaluated(datasets, split);
}

/** An evaluation split as training sees it. @throws DataError where its annotations hold nothing to learn */
export function trainingForm(dataset: Dataset): Dataset {
  const form = dataset.trainingForm?.() ?? dataset;
  if (form.length > 0) return form;
  throw new DataError(`${dataset.name} has nothing to measure a loss by`, {
    found: `${dataset.length} samples, none with the texts that training takes`,
    allowed: 'annotations with texts, as those of train have them',
    help: 'run.val_loss=False, and a run.monitor that needs no loss; or another split',
  });
}

/** The one dataset of a split. @throws ConfigError when none has it, or several do, or it is a stream. */
export function evaluated(datasets: DatasetsBySplit, split: string): Dataset {
  const [dataset, ...more] = allOf(datasets, split);
  if (more.length === 0 && !('iterable' in dataset)) return dataset;
  const names = Object.keys(datasets).filter((name) => datasets[name][split]);
  throw new ConfigError(
    more.length > 0
      ? `several datasets have the split '${split}'`
      : `the split '${split}' of ${names[0]} is a stream, which cannot be evaluated`,
    {
      where: 'run.valid_splits or run.test_splits',
      found: names.join(', '),
      help: more.length
        ? `--options datasets.${names[1]}.build_info.annotations.${split}=null leaves one out`
        : undefined,
    },
  );
}

/** The datasets that have a split, in the order of the configuration. @throws ConfigError when none has. */
function allOf(datasets: DatasetsBySplit, split: string): (Dataset | IterableDataset)[] {
  const having = Object.values(datasets).flatMap((splits) => splits[split] ?? []);
  if (having.length > 0) return having;
  const names = Object.keys(datasets);
  const known = new Set(Object.values(datasets).flatMap((splits) => Object.keys(splits)));
  throw new ConfigError(`no dataset has the split '${split}'`, {
    where: 'run.train_splits, run.valid_splits or run.test_splits',
    found: `${names.join(' and ')} with ${[...known].join(', ') || 'no splits'}`,
  });
}
