import { DataError } from '../../common/errors.js';
import { registry } from '../../common/registry.js';
import { textsOf } from '../annotated/annotated_dataset.js';
import { type Annotation, placeOf } from '../annotated/annotations.js';
import type { AnnotatedRecord } from '../annotated/image_reader.js';
import { cocoImages } from '../sources.js';
import { VqaBuilder } from './vqa_builder.js';
import { VqaEvalDataset, VqaTrainDataset } from './vqa_dataset.js';

/** Trains on the answers that people gave freely. */
export class AokVqaTrainDataset extends VqaTrainDataset {
  protected override answersOf(annotation: Annotation): string[] {
    return textsOf(annotation, 'direct_answers');
  }
}

/**
 * Questions with `choices`, `correct_choice_idx` and `direct_answers`, the last two null in the test split.
 * Source: lavis/datasets/datasets/aok_vqa_datasets.py.
 */
export class AokVqaEvalDataset extends VqaEvalDataset {
  protected override toRecord(annotation: Annotation, position: number): AnnotatedRecord {
    const { correct_choice_idx: correct = null, direct_answers } = annotation.values;
    const choices = textsOf(annotation, 'choices');
    if (correct !== null && choices[correct as number] === undefined) {
      throw new DataError("an annotation's 'correct_choice_idx' is not one of its choices", {
        where: placeOf(annotation),
        found: JSON.stringify(correct),
        allowed: `0 to ${choices.length - 1}`,
      });
    }
    return {
      ...super.toRecord(annotation, position),
      choices,
      correct_choice_idx: correct,
      direct_answers: direct_answers == null ? null : this.answersOf(annotation),
    };
  }

  protected override answersOf(annotation: Annotation): string[] {
    return textsOf(annotation, 'direct_answers');
  }
}

/** A-OKVQA: questions that take knowledge of the world. Source: arXiv:2206.01718. */
@registry.registerBuilder('aok_vqa')
export class AokVqaBuilder extends VqaBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/aokvqa/defaults.yaml' };
  readonly name = 'aok_vqa';
  protected override readonly trainDataset = AokVqaTrainDataset;
  protected override readonly evalDataset = AokVqaEvalDataset;
  // COCO's split of 2017 cuts the same images otherwise.
  protected override readonly imageSource = cocoImages({
    train: ['train2014', 'val2014'],
    val: ['train2014', 'val2014'],
    test: ['test2015'],
  });
}
