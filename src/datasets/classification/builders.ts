import { registry } from '../../common/registry.js';
import { type AnnotatedDataset, type DatasetParts, warnOfWordless } from '../annotated/annotated_dataset.js';
import { AnnotationBuilder } from '../annotated/annotation_builder.js';
import { type Annotation, requireKey } from '../annotated/annotations.js';
import { FLICKR30K_IMAGES } from '../sources.js';
import type { Split } from '../types.js';
import { LabelledDataset, type LabelledParts } from './labelled_dataset.js';

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

/** Hypotheses about a photograph, `image` and `image_id`. Source: lavis/datasets/datasets/snli_ve_datasets.py. */
class SnliVeDataset extends LabelledDataset {
  protected imagesOf(annotation: Annotation): Record<string, unknown> {
    const image_id = requireKey(annotation, 'image', 'string', 'number');
    return { image: `${image_id}.jpg`, image_id };
  }
}

/** SNLI-VE: whether a photograph of Flickr30k entails a sentence. Source: arXiv:1901.06706. */
@registry.registerBuilder('snli_ve')
export class SnliVeBuilder extends ClassificationBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/snli_ve/defaults.yaml' };
  readonly name = 'snli_ve';
  protected readonly classLabels = ['contradiction', 'neutral', 'entailment'];
  protected override readonly trainDataset = SnliVeDataset;
  protected override readonly evalDataset = SnliVeDataset;
  protected override readonly imageSource = FLICKR30K_IMAGES;
}
