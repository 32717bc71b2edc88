import { registry } from '../../common/registry.js';
import { type AnnotatedDataset, warnOfWordless } from '../annotated/annotated_dataset.js';
import { AnnotationBuilder } from '../annotated/annotation_builder.js';
import { datasetSchema } from '../annotated/build_info.js';
import { captionKeys, OwnCaptionsBuilder } from '../caption/own_captions.js';
import { FLICKR30K_IMAGES, KARPATHY_IMAGES } from '../sources.js';
import { RetrievalEvalDataset, RetrievalTrainDataset } from './retrieval_dataset.js';

/** Base of builders of images and texts that find each other. */
export abstract class RetrievalBuilder extends AnnotationBuilder {
  protected override readonly trainDataset = RetrievalTrainDataset;
  protected override readonly evalDataset = RetrievalEvalDataset;

  protected override checkDataset(dataset: AnnotatedDataset): void {
    warnOfWordless(dataset, 'texts');
  }
}

/** COCO captions in Karpathy's split, for retrieval. Source: arXiv:1504.00325, arXiv:1412.2306. */
@registry.registerBuilder('coco_retrieval')
export class CocoRetrievalBuilder extends RetrievalBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/coco/defaults_ret.yaml' };
  readonly name = 'coco_retrieval';
  protected override readonly imageSource = KARPATHY_IMAGES;
}

/** Flickr30k in Karpathy's split, for retrieval. Source: doi:10.1162/tacl_a_00166. */
@registry.registerBuilder('flickr30k')
export class Flickr30kBuilder extends RetrievalBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/flickr30k/defaults.yaml' };
  readonly name = 'flickr30k';
  protected override readonly imageSource = FLICKR30K_IMAGES;
}

/** One's own images with texts that shall find them, in all the forms that custom_caption reads. */
@registry.registerBuilder('custom_retrieval')
export class CustomRetrievalBuilder extends OwnCaptionsBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/custom/defaults_ret.yaml' };
  static override readonly configSchema = datasetSchema(captionKeys);
  readonly name = 'custom_retrieval';
  protected override readonly trainDataset = RetrievalTrainDataset;
  protected override readonly evalDataset = RetrievalEvalDataset;

  protected override checkDataset(dataset: AnnotatedDataset): void {
    warnOfWordless(dataset, 'texts');
  }
}
