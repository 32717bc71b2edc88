import { type AnnotatedDataset, type DatasetParts, warnOfWordless } from '../annotated/annotated_dataset.js';
import { AnnotationBuilder } from '../annotated/annotation_builder.js';
import type { Split } from '../types.js';
import type { LabelledParts } from './labelled_dataset.js';

/** Base of builders of texts about images that belong to one of some classes. */
export abstract class ClassificationBuilder extends AnnotationBuilder {
  /** The names of the classes; a label is the place of its name. */
  protected abstract readonly classLabels: readonly string[];

  protected override async complete(parts: DatasetParts, _split: Split): Promise<LabelledParts> {
    return { ...parts, classLabels: this.classLabels };
  }

  protected override checkDataset(dataset: AnnotatedDataset): void {
    warnOfWordless(dataset, 'texts');
  }
}
