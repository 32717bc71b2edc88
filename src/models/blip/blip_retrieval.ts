import { DataError } from '../../common/errors.js';
import { registry } from '../../common/registry.js';
import { key, types } from '../../config/index.js';
import type { Communicator } from '../../distributed/index.js';
import { noGrad, tf } from '../../engine/index.js';
import type { CaptionSamples, Encoded, Exchanged } from '../model.js';
import type { EncodedTexts } from '../tokenizer/tokenizer.js';
import type { BlipParts } from './blip_base.js';
import {
  BlipContrastive,
  blipContrastiveSchema,
  type EncodedPairs,
  type Features,
  joinTexts,
} from './blip_contrastive.js';
import { drawColumns, type Negatives, rampUp, type TrainingProgress } from './contrastive.js';
import { checkTexts } from './losses.js';
import { type SimMatrices, type SimMatrixOptions, type SimMatrixSamples, simMatrix } from './sim_matrix.js';

/** The keys of the `model` section. */
const blipRetrievalSchema = blipContrastiveSchema.extend({
  max_txt_len: key(types.natural, 35, 'Texts are truncated and padded to this many tokens in training.'),
  negative_all_rank: key(types.flag, false, 'Draw negatives from the batches of all ranks.'),
});

export interface RetrievalSamples extends CaptionSamples, TrainingProgress {
  /** The image id of each pair, an integer: pairs of the same image are not negatives of each other. */
  image_id?: ArrayLike<number>;
  /** In place of the draw of hard negatives; places among the pairs of all ranks, where they come from those. */
  negatives?: Negatives;
}

/** The caller owns all tensors. */
export interface BlipRetrievalOutput {
  /** The sum of the two. */
  loss: tf.Scalar;
  lossItc: tf.Scalar;
  lossItm: tf.Scalar;
  intermediateOutput: {
    /** [B, N, D] and [B, T, D]; the latter not where negatives come from all ranks. */
    imageEmbeds: tf.Tensor;
    /** Of each image to the texts that negatives come from, over the temperature, [B, pairs]; and of each text. */
    simI2t: tf.Tensor;
    simT2i: tf.Tensor;
    /** What they are drawn by, [B, pairs]. */
    weightsI2t: tf.Tensor;
    weightsT2i: tf.Tensor;
    /** [3B, 2]: pairs that belong together, then texts with other images, then images with other texts. */
    itmLogits: tf.Tensor2D;
  };
}

/** The pairs that negatives come from: the own batch, or those of all ranks. */
interface Candidates {
  imageEmbeds: tf.Tensor;
  features: Features;
  texts: EncodedTexts;
  ids: readonly number[];
}

/** What ranks tell each other before a step, as it is at hand already. */
interface ReadPairs {
  texts: EncodedTexts;
  ids: number[];
}

/**
 * Image-text retrieval: the contrastive head ranks all candidates, the matching head reranks the best.
 * Source: arXiv:2201.12086, section 5.1; lavis/models/blip_models/blip_retrieval.py.
 */
@registry.registerModel('blip_retrieval')
export class BlipRetrieval extends BlipContrastive {
  static readonly defaultConfigs: Readonly<Record<string, string>> = {
    coco: 'configs/models/blip_retrieval_coco.yaml',
    flickr: 'configs/models/blip_retrieval_flickr.yaml',
    shapes: 'configs/models/blip_retrieval_shapes.yaml',
  };
  static readonly configSchema = blipRetrievalSchema;

  readonly maxTextLength: number;
  /** The first part of a step of several ranks, where negatives come from all of them. */
  readonly encode?: (samples: RetrievalSamples) => Encoded;
  /** The pairs of all ranks, of the step that is being made. */
  #ofAllRanks: ReadPairs[] = [];

  constructor(parts: BlipParts<typeof blipRetrievalSchema._output>) {
    super(parts, { ids: true });
    const { section, med } = parts;
    this.maxTextLength = Math.min(section.max_txt_len, med.maxPositions);
    if (section.negative_all_rank) this.encode = (samples) => this.#encode(samples);
  }

  override async beforeStep(samples: RetrievalSamples, comm: Communicator): Promise<void> {
    await super.beforeStep(samples, comm);
    if (this.encode) this.#ofAllRanks = await comm.allGather(this.#read(samples), 'texts and ids');
  }

  #encode(samples: RetrievalSamples): Encoded {
    const { imageEmbeds, features } = this.encodePairs(samples.image, this.#read(samples).texts);
    return { imageEmbeds, ...features };
  }

  /**
   * Both losses; in evaluation too, momentum copies move on and the queue takes the batch in.
   * @param samples.image [B, H, W, 3], normalised
   * @param exchanged what all ranks encoded: negatives come from all of it
   */
  forward(samples: RetrievalSamples, exchanged?: Exchanged): BlipRetrievalOutput {
    const { image } = samples;
    const { texts, ids } = this.#read(samples);
    return tf.tidy(() => {
      this.clampTemperature();
      const own = exchanged ? pairsOf(exchanged.own) : this.encodePairs(image, texts);
      const momentum = this.momentumFeatures(image, texts);
      const sims = this.similarities(own.features, momentum);
      const alpha = this.alpha * rampUp(samples, 2);
      const lossItc = this.contrastiveLoss(sims, momentum, this.#positives(ids), alpha);
      const idRow = tf.tensor2d(ids, [1, ids.length], 'int32');
      this.queue.enqueue([momentum.image.transpose(), momentum.text.transpose(), idRow]);

      const pool: Candidates = exchanged ? this.#poolOf(exchanged) : { ...own, texts, ids };
      const { simI2t, simT2i, weightsI2t, weightsT2i } = this.#weights(own.features, ids, pool);
      const negatives = samples.negatives ?? {
        image: drawColumns(weightsT2i, this.rng),
        text: drawColumns(weightsI2t, this.rng),
      };
      const { loss: lossItm, logits: itmLogits } = this.matchingLoss(own.imageEmbeds, texts, negatives, pool);
      const intermediateOutput = {
        ...{ imageEmbeds: own.imageEmbeds, simI2t, simT2i },
        ...{ weightsI2t, weightsT2i, itmLogits },
      };
      return { loss: tf.add<tf.Scalar>(lossItc, lossItm), lossItc, lossItm, intermediateOutput };
    });
  }

  /**
   * How well all images and all texts go together: the cosine of their features, which chooses for each image the
   * `kTest` best texts and for each text the `kTest` best images; and for these the matching logit on top. -100 for
   * the others.
   */
  computeSimMatrix(samples: SimMatrixSamples, options: SimMatrixOptions): Promise<SimMatrices> {
    return simMatrix(this, samples, options);
  }

  #read({ image, text_input: texts = [], image_id: ids }: RetrievalSamples): ReadPairs {
    checkTexts(image, texts);
    const given = Array.from(ids ?? []);
    if (given.length !== texts.length || !given.every(Number.isInteger)) {
      throw new DataError('each pair needs the id of its image', {
        found: `${texts.length} pairs, image_id ${ids ? `[${given.slice(0, 4)}]` : 'not given'}`,
        allowed: 'a whole number for each pair, the same where the image is the same',
      });
    }
    const { maxTextLength: length } = this;
    return { texts: this.tokenizer.encodeBatch(texts, length, length), ids: given };
  }

  /** Every column of the own batch and of the queue with the same image, equally. @returns [B, B + queue] */
  #positives(ids: readonly number[]): tf.Tensor {
    const idQueue = this.queue.queues[2];
    return noGrad(() => {
      const rows = tf.tensor2d([...ids], [ids.length, 1], 'int32');
      const columns = tf.concat([rows.transpose(), idQueue], 1);
      const same = tf.equal(rows, columns).toFloat();
      return same.div(same.sum(1, true));
    });
  }

  /** What negatives are drawn by: the likelier taken for the right one, the likelier drawn; never the same image. */
  #weights(features: Features, ids: readonly number[], pool: Candidates) {
    return noGrad(() => {
      const other = tf.notEqual(
        tf.tensor2d([...ids], [ids.length, 1], 'int32'),
        tf.tensor2d([...pool.ids], [1, pool.ids.length], 'int32'),
      );
      const simI2t = tf.matMul(features.image, pool.features.text, false, true).div(this.temp);
      const simT2i = tf.matMul(features.text, pool.features.image, false, true).div(this.temp);
      const weights = (sims: tf.Tensor) => tf.softmax(sims).mul(other.toFloat());
      return { simI2t, simT2i, weightsI2t: weights(simI2t), weightsT2i: weights(simT2i) };
    });
  }

  #poolOf({ all }: Exchanged): Candidates {
    const texts = joinTexts(...this.#ofAllRanks.map((pairs) => pairs.texts));
    return { ...pairsOf(all), texts, ids: this.#ofAllRanks.flatMap((pairs) => pairs.ids) };
  }
}

/** What `encode` gave, by its parts. */
const pairsOf = ({
  imageEmbeds,
  image,
  text,
}: Encoded): Pick<EncodedPairs, 'features'> & {
  imageEmbeds: tf.Tensor;
} => ({ imageEmbeds, features: { image: image as tf.Tensor2D, text: text as tf.Tensor2D } });
