import { type AnnotatedDataset, warnOfWordless } from '../annotated/annotated_dataset.js';
import { AnnotationBuilder } from '../annotated/annotation_builder.js';

/** Base of builders of captions; a subclass names itself, its dataset classes and its default configuration. */
export abstract class CaptionBuilder extends AnnotationBuilder {
  protected override checkDataset(dataset: AnnotatedDataset): void {
    warnOfWordless(dataset, 'captions');
  }
}
