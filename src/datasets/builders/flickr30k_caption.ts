import { registry } from '../../common/registry.js';
import { CaptionDataset, CaptionEvalDataset } from '../datasets/caption_dataset.js';
import { CaptionBuilder } from './caption_builder.js';

/** Flickr30k captions in Karpathy's split. Source: doi:10.1162/tacl_a_00166. */
@registry.registerBuilder('flickr30k_caption')
export class Flickr30kCaptionBuilder extends CaptionBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/flickr30k/defaults_cap.yaml' };
  readonly name = 'flickr30k_caption';
  protected override readonly trainDataset = CaptionDataset;
  protected override readonly evalDataset = CaptionEvalDataset;
}
