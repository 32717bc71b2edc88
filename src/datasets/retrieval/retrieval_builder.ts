import { type AnnotatedDataset, warnOfWordless } from '../annotated/annotated_dataset.js';
import { AnnotationBuilder } from '../annotated/annotation_builder.js';
import { RetrievalEvalDataset, RetrievalTrainDataset } from './retrieval_dataset.js';

/** Base of builders of images and texts that find each other. */
export abstract class RetrievalBuilder extends AnnotationBuilder {
  protected override readonly trainDataset = RetrievalTrainDataset;
  protected override readonly evalDataset = RetrievalEvalDataset;

  protected override checkDataset(dataset: AnnotatedDataset): void {
    warnOfWordless(dataset, 'texts');
  }
}
