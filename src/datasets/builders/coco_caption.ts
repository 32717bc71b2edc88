import { registry } from '../../common/registry.js';
import { CaptionDataset, CaptionEvalDataset } from '../datasets/caption_dataset.js';
import { CaptionBuilder } from './caption_builder.js';

/** COCO captions in Karpathy's split. Source: arXiv:1504.00325, arXiv:1412.2306. */
@registry.registerBuilder('coco_caption')
export class CocoCaptionBuilder extends CaptionBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/coco/defaults_cap.yaml' };
  readonly name = 'coco_caption';
  protected override readonly trainDataset = CaptionDataset;
  protected override readonly evalDataset = CaptionEvalDataset;
  protected override readonly imageHelp = 'lavis download coco';
}
