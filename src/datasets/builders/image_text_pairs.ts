import { registry } from '../../common/registry.js';
import { ImageTextPairDataset } from '../datasets/caption_dataset.js';
import { CaptionBuilder } from './caption_builder.js';

/** Base of the pre-training sets: pairs of image and text, without image ids, for training alone. */
abstract class ImageTextPairBuilder extends CaptionBuilder {
  protected override readonly trainDataset = ImageTextPairDataset;
}

/** Visual Genome's region descriptions as captions. Source: arXiv:1602.07332. */
@registry.registerBuilder('vg_caption')
export class VgCaptionBuilder extends ImageTextPairBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/vg/defaults_caption.yaml' };
  readonly name = 'vg_caption';
}

/** SBU captions. Source: Ordonez et al., NIPS 2011. */
@registry.registerBuilder('sbu_caption')
export class SbuCaptionBuilder extends ImageTextPairBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/sbu_caption/defaults.yaml' };
  readonly name = 'sbu_caption';
}

/** Conceptual Captions. Source: Sharma et al., ACL 2018. */
@registry.registerBuilder('conceptual_caption_3m')
export class ConceptualCaption3mBuilder extends ImageTextPairBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/conceptual_caption/defaults_3m.yaml' };
  readonly name = 'conceptual_caption_3m';
}

/** Conceptual 12M. Source: arXiv:2102.08981. */
@registry.registerBuilder('conceptual_caption_12m')
export class ConceptualCaption12mBuilder extends ImageTextPairBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/conceptual_caption/defaults_12m.yaml' };
  readonly name = 'conceptual_caption_12m';
}
