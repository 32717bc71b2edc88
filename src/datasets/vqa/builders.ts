import { registry } from '../../common/registry.js';
import { cocoImages, VISUAL_GENOME_IMAGES } from '../sources.js';
import { VqaBuilder } from './vqa_builder.js';

/** VQA v2: ten people's answers to questions about COCO's images. Source: arXiv:1612.00837. */
@registry.registerBuilder('coco_vqa')
export class CocoVqaBuilder extends VqaBuilder {
  static readonly defaultConfigs = {
    default: 'configs/datasets/coco/defaults_vqa.yaml',
    eval: 'configs/datasets/coco/eval_vqa.yaml',
  };
  readonly name = 'coco_vqa';
  /** Trained on the training and the validation questions, for the test server. */
  protected override readonly imageSource = cocoImages({
    train: ['train2014', 'val2014'],
    val: ['val2014'],
    test: ['test2015'],
  });
}

/** Visual Genome's questions, one answer each: for training beside coco_vqa. Source: arXiv:1602.07332. */
@registry.registerBuilder('vg_vqa')
export class VgVqaBuilder extends VqaBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/vg/defaults_vqa.yaml' };
  readonly name = 'vg_vqa';
  protected override readonly evalDataset = undefined;
  protected override readonly imageSource = VISUAL_GENOME_IMAGES;
}

/** OK-VQA: questions about COCO's images that take outside knowledge; its test split is val2014. Source: arXiv:1906.00067. */
@registry.registerBuilder('ok_vqa')
export class OkVqaBuilder extends VqaBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/okvqa/defaults.yaml' };
  readonly name = 'ok_vqa';
  protected override readonly imageSource = cocoImages({ train: ['train2014'], test: ['val2014'] });
}
