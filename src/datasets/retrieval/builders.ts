import { registry } from '../../common/registry.js';
import { FLICKR30K_IMAGES, KARPATHY_IMAGES } from '../sources.js';
import { RetrievalBuilder } from './retrieval_builder.js';

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
