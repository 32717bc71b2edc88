import { DataError } from '../../common/errors.js';
import { didYouMean } from '../../common/suggest.js';
import {
  AnnotatedDataset,
  type DatasetClass,
  type DatasetParts,
  textOf,
} from '../annotated/annotated_dataset.js';
import { type Annotation, placeOf } from '../annotated/annotations.js';
import type { AnnotatedRecord } from '../annotated/image_reader.js';
import type { ClassificationDataset } from '../types.js';

export interface LabelledParts extends DatasetParts {
  /** The names of the classes; a label is the place of its name. */
  classLabels?: readonly string[];
}

/**
 * Texts about images, each of one class: `text_input`, `label`, `instance_id`, and the images of the kind.
 * Source: lavis/datasets/datasets/multimodal_classification_datasets.py.
 */
export abstract class LabelledDataset extends AnnotatedDataset implements ClassificationDataset {
  readonly classLabels: readonly string[];

  /** @throws DataError for labels that are not among the classes: the first, and how many there are */
  constructor(parts: LabelledParts) {
    super(parts);
    this.classLabels = parts.classLabels ?? [];
    const places = new Map(this.classLabels.map((label, i) => [label, i]));
    const unknown = this.records.filter(({ label }) => !places.has(String(label)));
    if (unknown.length > 0) throw unknownLabel(unknown, this.classLabels);
    for (const record of this.records) record.label = places.get(String(record.label));
  }

  protected toRecord(annotation: Annotation, position: number): AnnotatedRecord {
    return {
      ...this.imagesOf(annotation),
      text_input: textOf(annotation, 'sentence'),
      label: labelOf(annotation),
      instance_id: String(position),
      source: placeOf(annotation),
    };
  }

  /** The same samples: they have texts and labels anyway. */
  trainingForm(): LabelledDataset {
    return this.asTrained(this.constructor as DatasetClass<LabelledDataset>, this.parts.annotations);
  }

  /** The images of an entry, and what names them. */
  protected abstract imagesOf(annotation: Annotation): Record<string, unknown>;

  protected override resultIdOf({ instance_id }: AnnotatedRecord): number | string | undefined {
    return instance_id as string;
  }
}

/** The name of an entry's class; of true and false, as Python writes them. */
function labelOf(annotation: Annotation): string {
  const { label } = annotation.values;
  if (typeof label === 'boolean') return label ? 'True' : 'False';
  if (typeof label === 'number') return String(label);
  return textOf(annotation, 'label');
}

function unknownLabel(records: readonly AnnotatedRecord[], labels: readonly string[]): DataError {
  const [{ label, source }] = records;
  const one = records.length === 1;
  return new DataError(
    one ? 'a label is not one of the classes' : `${records.length} labels are not among the classes`,
    {
      where: source,
      found: [JSON.stringify(label), didYouMean(String(label), labels)].filter(Boolean).join('; '),
      allowed: labels.join(', ') || 'none: there is nothing to train on',
    },
  );
}
