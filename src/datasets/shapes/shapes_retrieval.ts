import { Rng } from '../../common/random.js';
import { registry } from '../../common/registry.js';
import { type AnnotatedDataset, warnOfWordless } from '../annotated/annotated_dataset.js';
import { RetrievalEvalDataset, RetrievalTrainDataset } from '../retrieval/retrieval_dataset.js';
import { backwardCaptionOf, orderedCaptionsOf } from './captions.js';
import type { Drawing, ShapesOptions } from './draw.js';
import { drawnScene, pairsOfSplit, type Scene, type ShapesSplit } from './scene.js';
import { ShapesBuilder, shapesSchema } from './shapes_builder.js';

/**
 * Scenes and sentences that find each other. A sentence tells shapes, colours, sizes, relation and background, from
 * either end; in val and test no two scenes share one, so that each sentence is of one scene alone.
 */
@registry.registerBuilder('shapes_retrieval')
export class ShapesRetrievalBuilder extends ShapesBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/shapes/defaults_ret.yaml' };
  static override readonly configSchema = shapesSchema('shapes_retrieval');
  readonly name = 'shapes_retrieval';
  protected readonly edition = 'pairs';
  protected override readonly trainDataset = RetrievalTrainDataset;
  protected override readonly evalDataset = RetrievalEvalDataset;

  protected draw(split: ShapesSplit, options: ShapesOptions): Drawing {
    return {
      scenes: distinctScenes(split, options),
      annotations: (scenes) => {
        const entries = scenes.map(({ scene, image, id }) => ({
          image,
          image_id: `shapes_${id}`,
          caption: sentencesOf(scene),
        }));
        // As Karpathy's files: an entry a sentence to train on, an image to evaluate.
        const flat = entries.flatMap(({ caption, ...entry }) =>
          caption.map((one) => ({ ...entry, caption: one })),
        );
        return { [`shapes_${split}`]: split === 'train' ? flat : entries };
      },
    };
  }

  protected override checkDataset(dataset: AnnotatedDataset): void {
    warnOfWordless(dataset, 'sentences');
  }
}

/** All there is to tell, from the first thing and from the second. */
function sentencesOf(scene: Scene): string[] {
  return [orderedCaptionsOf(scene).related[1], backwardCaptionOf(scene)];
}

/** Scenes of which no other has the sentence, as long as the pairs of a split have so many. */
function distinctScenes(split: ShapesSplit, { seed, ...options }: ShapesOptions): Scene[] {
  const pairs = pairsOfSplit(seed)[split];
  const scenes = new Map<string, Scene>();
  for (let draw = 0; scenes.size < options[split] && draw < 50 * options[split]; draw++) {
    const scene = drawnScene(pairs, Rng.of(seed, split, 'pairs', draw));
    const [sentence] = sentencesOf(scene);
    // Training may well show one twice: its images are told apart by their ids.
    const name = split === 'train' ? String(draw) : sentence;
    if (!scenes.has(name)) scenes.set(name, scene);
  }
  return [...scenes.values()];
}
