import { registry } from '../../common/registry.js';
import { NoCapsEvalDataset } from '../datasets/caption_dataset.js';
import { CaptionBuilder } from './caption_builder.js';

/** Novel-object captions: evaluation alone. Source: arXiv:1812.08658. */
@registry.registerBuilder('nocaps')
export class NoCapsBuilder extends CaptionBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/nocaps/defaults.yaml' };
  readonly name = 'nocaps';
  protected override readonly evalDataset = NoCapsEvalDataset;
}
