import { registry } from '../../common/registry.js';
import { type AnnotatedDataset, warnOfWordless } from '../annotated/annotated_dataset.js';
import { AnnotationBuilder } from '../annotated/annotation_builder.js';
import { FLICKR30K_IMAGES, KARPATHY_IMAGES, VISUAL_GENOME_IMAGES } from '../sources.js';
import {
  CaptionDataset,
  CaptionEvalDataset,
  ImageTextPairDataset,
  NoCapsEvalDataset,
} from './caption_dataset.js';

/** Base of builders of captions; a subclass names itself, its dataset classes and its default configuration. */
export abstract class CaptionBuilder extends AnnotationBuilder {
  protected override checkDataset(dataset: AnnotatedDataset): void {
    warnOfWordless(dataset, 'captions');
  }
}

/** COCO captions in Karpathy's split. Source: arXiv:1504.00325, arXiv:1412.2306. */
@registry.registerBuilder('coco_caption')
export class CocoCaptionBuilder extends CaptionBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/coco/defaults_cap.yaml' };
  static readonly shortName = 'coco';
  readonly name = 'coco_caption';
  protected override readonly trainDataset = CaptionDataset;
  protected override readonly evalDataset = CaptionEvalDataset;
  protected override readonly imageSource = KARPATHY_IMAGES;
}

/** Flickr30k captions in Karpathy's split. Source: doi:10.1162/tacl_a_00166. */
@registry.registerBuilder('flickr30k_caption')
export class Flickr30kCaptionBuilder extends CaptionBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/flickr30k/defaults_cap.yaml' };
  readonly name = 'flickr30k_caption';
  protected override readonly imageSource = FLICKR30K_IMAGES;
  protected override readonly trainDataset = CaptionDataset;
  protected override readonly evalDataset = CaptionEvalDataset;
}

/** Novel-object captions: evaluation alone. Source: arXiv:1812.08658. */
@registry.registerBuilder('nocaps')
export class NoCapsBuilder extends CaptionBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/nocaps/defaults.yaml' };
  readonly name = 'nocaps';
  protected override readonly evalDataset = NoCapsEvalDataset;
}

/** Base of the pre-training sets: pairs of image and text, without image ids, for training alone. */
abstract class ImageTextPairBuilder extends CaptionBuilder {
  protected override readonly trainDataset = ImageTextPairDataset;
}

/** Visual Genome's region descriptions as captions. Source: arXiv:1602.07332. */
@registry.registerBuilder('vg_caption')
export class VgCaptionBuilder extends ImageTextPairBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/vg/defaults_caption.yaml' };
  static readonly shortName = 'vg';
  readonly name = 'vg_caption';
  protected override readonly imageSource = VISUAL_GENOME_IMAGES;
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
