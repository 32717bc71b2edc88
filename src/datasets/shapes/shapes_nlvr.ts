import { registry } from '../../common/registry.js';
import type { DatasetParts } from '../annotated/annotated_dataset.js';
import type { LabelledParts } from '../classification/labelled_dataset.js';
import { flippingInTraining, NLVR_KEYS, NLVR_LABELS, NlvrDataset } from '../classification/nlvr.js';
import type { SampleReader, Split } from '../types.js';
import type { Drawing, ShapesOptions } from './draw.js';
import { pairsOfSplit, type ShapesSplit } from './scene.js';
import { ShapesBuilder, shapesSchema } from './shapes_builder.js';
import { statedScenes } from './statements.js';

/** Two scenes and a sentence that is true of them or not, as NLVR2 has them. */
@registry.registerBuilder('shapes_nlvr')
export class ShapesNlvrBuilder extends ShapesBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/shapes/defaults_nlvr.yaml' };
  static override readonly configSchema = shapesSchema('shapes_nlvr');
  readonly name = 'shapes_nlvr';
  protected readonly edition = 'stated';
  protected override readonly trainDataset = NlvrDataset;
  protected override readonly evalDataset = NlvrDataset;
  protected override readonly keys = NLVR_KEYS;

  override reader(split: Split): SampleReader {
    return flippingInTraining(split, super.reader(split));
  }

  protected draw(split: ShapesSplit, { seed, ...options }: ShapesOptions): Drawing {
    const pairs = pairsOfSplit(seed)[split];
    const stated = Array.from({ length: options[split] }, (_, i) =>
      statedScenes(pairs, seed, split, 'statements', i),
    );
    return {
      scenes: stated.flatMap(({ scenes }) => scenes),
      annotations: (drawn) => ({
        [`shapes_${split}`]: stated.map(({ sentence, isTrue }, i) => ({
          sentence,
          label: isTrue ? 'True' : 'False',
          images: [drawn[2 * i].image, drawn[2 * i + 1].image],
        })),
      }),
    };
  }

  protected override async complete(parts: DatasetParts): Promise<LabelledParts> {
    return { ...parts, classLabels: NLVR_LABELS };
  }
}
