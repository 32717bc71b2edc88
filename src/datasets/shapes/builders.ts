import { Rng } from '../../common/random.js';
import { registry } from '../../common/registry.js';
import { type AnnotatedDataset, type DatasetParts, warnOfWordless } from '../annotated/annotated_dataset.js';
import { CaptionDataset, CaptionEvalDataset, type CaptionTruth } from '../caption/caption_dataset.js';
import type { LabelledParts } from '../classification/labelled_dataset.js';
import { flippingInTraining, NLVR_KEYS, NLVR_LABELS, NlvrDataset } from '../classification/nlvr.js';
import { RetrievalEvalDataset, RetrievalTrainDataset } from '../retrieval/retrieval_dataset.js';
import type { SampleReader, Split } from '../types.js';
import { VqaEvalDataset, type VqaParts, VqaTrainDataset } from '../vqa/vqa_dataset.js';
import { backwardCaptionOf, captionsOf, orderedCaptionsOf } from './captions.js';
import { type Drawing, type DrawnScene, type ShapesOptions, scenesOf } from './draw.js';
import { questionAnswers, questionsOf } from './questions.js';
import { drawnScene, pairsOfSplit, type Scene, type ShapesSplit } from './scene.js';
import { ShapesBuilder, shapesSchema } from './shapes_builder.js';
import { statedScenes } from './statements.js';

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
