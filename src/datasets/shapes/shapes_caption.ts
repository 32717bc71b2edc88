import { Rng } from '../../common/random.js';
import { registry } from '../../common/registry.js';
import { CaptionDataset, CaptionEvalDataset, type CaptionTruth } from '../caption/caption_dataset.js';
import { captionsOf, orderedCaptionsOf } from './captions.js';
import { type Drawing, type DrawnScene, type ShapesOptions, scenesOf } from './draw.js';
import type { Scene, ShapesSplit } from './scene.js';
import { ShapesBuilder, shapesSchema } from './shapes_builder.js';

/** Scenes with captions that tell how their two shapes lie to each other, and where each is. */
@registry.registerBuilder('shapes_caption')
export class ShapesCaptionBuilder extends ShapesBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/shapes/defaults_cap.yaml' };
  static override readonly configSchema = shapesSchema('shapes_caption');
  readonly name = 'shapes_caption';
  protected readonly edition = 'placed';
  protected override readonly trainDataset = CaptionDataset;
  protected override readonly evalDataset = CaptionEvalDataset;

  protected draw(split: ShapesSplit, options: ShapesOptions): Drawing {
    const annotations = (scenes: readonly DrawnScene[]) =>
      split === 'train' ? trainFile(scenes, options.seed) : evalFiles(split, scenes);
    return { scenes: scenesOf(split, options), annotations };
  }
}

/** As COCO's Karpathy files are. */
function trainFile(scenes: readonly DrawnScene[], seed: number) {
  const entries = scenes.flatMap(({ scene, image, id, place }) =>
    trainCaptions(scene, Rng.of(seed, 'captions', place)).map((caption) => ({
      image,
      image_id: `shapes_${id}`,
      caption,
    })),
  );
  return { shapes_train: entries };
}

function evalFiles(split: ShapesSplit, scenes: readonly DrawnScene[]) {
  const entries = scenes.map(({ scene, image, id }) => ({
    image,
    image_id: `shapes_${id}`,
    caption: captionsOf(scene),
  }));
  return { [`shapes_${split}`]: entries, [`shapes_${split}_gt`]: groundTruth(scenes) };
}

/** How the two things lie to each other, and where each is. */
function trainCaptions(scene: Scene, rng: Rng): string[] {
  const { related, placed } = orderedCaptionsOf(scene);
  return [related[rng.int(related.length)], placed];
}

function groundTruth(scenes: readonly DrawnScene[]): CaptionTruth {
  const flat = scenes.flatMap(({ scene, id }) =>
    captionsOf(scene).map((caption) => ({ image_id: id, caption })),
  );
  return {
    annotations: flat.map((entry, id) => ({ ...entry, id })),
    images: scenes.map(({ id }) => ({ id })),
  };
}
