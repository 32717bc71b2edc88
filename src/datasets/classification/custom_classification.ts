import { DataError } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import { registry } from '../../common/registry.js';
import { key, types } from '../../config/index.js';
import {
  type AnnotatedDataset,
  type DatasetParts,
  textOf,
  warnOfWordless,
} from '../annotated/annotated_dataset.js';
import type { Prepared } from '../annotated/annotation_builder.js';
import { type Annotation, placeOf } from '../annotated/annotations.js';
import { datasetSchema, readBuildInfo } from '../annotated/build_info.js';
import type { OwnImage } from '../own/assign_splits.js';
import type { TableForm } from '../own/columns.js';
import { columnKey, OwnTableBuilder, tableKeys } from '../own/own_builder.js';
import type { Split } from '../types.js';
import { LabelledDataset, type LabelledParts } from './labelled_dataset.js';

/** Images with texts about them and what class the two belong to. */
const LABELS: TableForm = {
  dataset: 'custom_classification',
  what: 'labels',
  roles: {
    sentence: {
      names: ['sentence', 'text', 'caption', 'hypothesis', 'statement', 'question'],
      optional: true,
    },
    label: { names: ['label', 'class', 'category', 'target', 'gold_label', 'answer'], literal: true },
  },
};

const labelKeys = {
  ...tableKeys,
  sentence_key: columnKey('sentence'),
  label_key: columnKey('label'),
  labels: key(
    types.texts,
    undefined,
    'The classes in the order of their numbers; those of the training split, sorted, when absent.',
  ),
};

/** One image a sample. */
class OneImageDataset extends LabelledDataset {
  protected imagesOf(annotation: Annotation): Record<string, unknown> {
    return { image: textOf(annotation, 'image') };
  }
}

/** One's own images, or images with sentences, in classes: a table, JSON or JSONL. */
@registry.registerBuilder('custom_classification')
export class CustomClassificationBuilder extends OwnTableBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/custom/defaults_cls.yaml' };
  static override readonly configSchema = datasetSchema(labelKeys);
  readonly name = 'custom_classification';
  protected readonly form = LABELS;
  protected override readonly trainDataset = OneImageDataset;
  protected override readonly evalDataset = OneImageDataset;
  #labels: readonly string[] = [];

  protected override async prepare(splits?: readonly Split[]): Promise<Prepared> {
    const { labels } = readBuildInfo(this.section, this.name, { labels: labelKeys.labels });
    // The classes are those of train, whether it is trained on or not.
    const asked = labels || !splits ? splits : [...new Set([...splits, 'train'])];
    const bySplit = await this.imagesOfSplits(asked);
    const trained = bySplit.get('train')?.flatMap(({ rows }) => rows.flatMap(({ texts }) => texts.label));
    this.#labels = labels ?? inOrder(new Set(trained));
    log.info(`${this.name}: classes ${this.#labels.map((label, i) => `${i} ${label}`).join(', ')}`);
    return this.annotate(bySplit, splits);
  }

  protected override entriesOfImages(_split: Split, images: readonly OwnImage[]): Annotation[] {
    return images.flatMap(({ image, rows }) =>
      rows.map(({ texts: { sentence, label }, ...place }) => {
        const entry = { ...place, values: { image, sentence: sentence[0] ?? '', label: label[0] } };
        if (label.length === 1) return entry;
        throw new DataError('an entry has several labels', {
          where: placeOf(entry),
          found: label.join(', '),
        });
      }),
    );
  }

  protected override async complete(parts: DatasetParts): Promise<LabelledParts> {
    return { ...parts, classLabels: this.#labels };
  }

  protected override checkDataset(dataset: AnnotatedDataset): void {
    // Images alone have no text.
    if (dataset.records.some(({ text_input }) => text_input !== '')) warnOfWordless(dataset, 'sentences');
  }
}

/** Numbers by their value, names by their letters. */
const inOrder = (labels: ReadonlySet<string>): string[] =>
  [...labels].sort((a, b) => Number(a) - Number(b) || (a < b ? -1 : 1));
