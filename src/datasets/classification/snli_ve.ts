import { registry } from '../../common/registry.js';
import { type Annotation, requireKey } from '../annotated/annotations.js';
import { FLICKR30K_IMAGES } from '../sources.js';
import { ClassificationBuilder } from './classification_builder.js';
import { LabelledDataset } from './labelled_dataset.js';

/** Hypotheses about a photograph, `image` and `image_id`. Source: lavis/datasets/datasets/snli_ve_datasets.py. */
export class SnliVeDataset extends LabelledDataset {
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
