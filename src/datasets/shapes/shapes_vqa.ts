import { Rng } from '../../common/random.js';
import { registry } from '../../common/registry.js';
import type { DatasetParts } from '../annotated/annotated_dataset.js';
import { VqaEvalDataset, type VqaParts, VqaTrainDataset } from '../vqa/vqa_dataset.js';
import { type Drawing, type ShapesOptions, scenesOf } from './draw.js';
import { questionAnswers, questionsOf } from './questions.js';
import type { ShapesSplit } from './scene.js';
import { ShapesBuilder, shapesSchema } from './shapes_builder.js';

const QUESTIONS_A_SCENE = 3;

/** Scenes with questions about colours, sizes, shapes and places, how many there are, and whether something is so. */
@registry.registerBuilder('shapes_vqa')
export class ShapesVqaBuilder extends ShapesBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/shapes/defaults_vqa.yaml' };
  static override readonly configSchema = shapesSchema('shapes_vqa');
  readonly name = 'shapes_vqa';
  protected readonly edition = 'asked';
  protected override readonly trainDataset = VqaTrainDataset;
  protected override readonly evalDataset = VqaEvalDataset;

  protected draw(split: ShapesSplit, options: ShapesOptions): Drawing {
    return {
      scenes: scenesOf(split, options),
      annotations: (scenes) => ({
        [`shapes_${split}`]: scenes.flatMap(({ scene, image, id, place }) =>
          questionsOf(scene, QUESTIONS_A_SCENE, Rng.of(options.seed, split, 'questions', place)).map(
            ({ answer, ...asked }, i) => ({ question_id: 10 * id + i, ...asked, answer: [answer], image }),
          ),
        ),
      }),
    };
  }

  protected override async complete(parts: DatasetParts): Promise<VqaParts> {
    return { ...parts, answerList: questionAnswers() };
  }
}
