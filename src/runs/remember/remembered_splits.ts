import { ConfigError } from '../../common/errors.js';
import { registry } from '../../common/registry.js';
import { formatCount } from '../../common/words.js';
import type { Dataset } from '../../datasets/index.js';
import type { ImageEncoding, Model } from '../../models/index.js';
import type { ImageProcessor } from '../../processors/index.js';
import type { DatasetsBySplit, RunSettings } from '../../runners/index.js';

/** A split whose images are remembered, and how they are seen. */
export interface RememberedSplit {
  dataset: Dataset;
  processor: ImageProcessor;
  /** How often each image is seen; more than once by a random processor alone. */
  views: number;
  /** The images, each once. */
  files: readonly string[];
}

const WHERE = 'run.cache_image_embeds';
const WITHOUT = 'run.cache_image_embeds=False';

/**
 * The splits of a run: training images in their random views, where some are asked for, all others as an evaluation
 * sees them.
 * @throws ConfigError for a dataset that has no files to be remembered
 */
export function rememberedSplits(
  datasets: DatasetsBySplit,
  { trainSplits, cacheViews }: RunSettings,
): RememberedSplit[] {
  const splits: RememberedSplit[] = [];
  for (const bySplit of Object.values(datasets)) {
    for (const [split, dataset] of Object.entries(bySplit)) {
      if (!dataset) continue;
      if ('iterable' in dataset) throw unsuitable(dataset.name, 'a stream, whose images are no files');
      if (!dataset.remember) throw unsuitable(dataset.name, 'a dataset without remember()');
      const views = trainSplits.includes(split) ? cacheViews : undefined;
      const processor = processorOf(dataset, views === undefined ? 'val' : undefined);
      const files = new Set<string>();
      for (const { file } of dataset.sources?.() ?? []) if (file !== undefined) files.add(file);
      splits.push({ dataset, processor, views: views ?? 1, files: [...files] });
    }
  }
  return splits;
}

/** @param split whose processor is taken; the dataset's own by default */
function processorOf({ name, readers = {} }: Dataset, split?: string): ImageProcessor {
  const [spec] = Object.values(readers);
  const reader =
    spec &&
    registry
      .getBuilderClass(spec.builder)
      .fromConfig(spec.section as Record<string, unknown>)
      .reader(split ?? spec.split);
  if (reader?.imageProcessor) return reader.imageProcessor;
  throw unsuitable(name, 'a reader without imageProcessor');
}

const unsuitable = (dataset: string, found: string) =>
  new ConfigError(`the images of ${dataset} cannot be remembered`, { where: WHERE, found, help: WITHOUT });

/**
 * What is remembered of images.
 * @param training whether the encoder has to stay as it is
 * @throws ConfigError for a model whose image encoder is trained or rounded, or of which there is not one
 */
export function rememberedEncoding(
  model: Model,
  { quantize }: RunSettings,
  training: boolean,
): ImageEncoding {
  if (quantize) {
    throw new ConfigError('run.quantize rounds the image encoder that remembered images come from', {
      where: WHERE,
      found: `run.quantize ${quantize}`,
      help: `${WITHOUT}, or leave run.quantize out`,
    });
  }
  const encoding = model.imageEncoding?.();
  if (!encoding) {
    throw new ConfigError('the embeddings of images cannot be remembered', {
      where: WHERE,
      found: `${model.constructor.name}, which does not say what they are (imageEncoding)`,
      help: WITHOUT,
    });
  }
  if (encoding.isFrozen || !training) return encoding;
  const { part } = encoding;
  const trained = [...model.namedParameters()].filter(([name]) => name.startsWith(`${part}.`));
  const count = trained.reduce((sum, [, { size }]) => sum + size, 0);
  throw new ConfigError('images can be remembered beside a frozen image encoder alone', {
    where: WHERE,
    found: `${formatCount(count)} parameters of ${part} are trained`,
    help: `model.freeze_vit=True (or model.lora, which adapts the text side), or ${WITHOUT}`,
  });
}
