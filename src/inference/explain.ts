import { basename, extname, join } from 'node:path';
import { CheckpointError, ConfigError, DataError, messageOf } from '../common/errors.js';
import { makeFolder } from '../common/files.js';
import { log } from '../common/logging.js';
import {
  type CaptionModel,
  captionModel,
  type GenerateOptions,
  type ImageSource,
  type ScoredCaption,
  scoredCaptions,
  stacked,
} from '../models/index.js';
import { CLIP_MEAN, CLIP_STD, type ImageProcessor } from '../processors/index.js';
import {
  drawSheet,
  type Explain,
  lookCells,
  pictureOf,
  type SheetPart,
  sheetImage,
} from '../reports/index.js';
import { newestCheckpoint } from '../runners/index.js';
import { loadCheckpointModel } from './checkpoint_model.js';

/** A captioner that can tell where it looked. */
interface Looking {
  model: CaptionModel;
  processor: ImageProcessor;
  settings: GenerateOptions;
}

/**
 * Where the model looked for each word of its caption of an image: the image as the model sees it, once for each word.
 * @param caption made here where it is left out
 * @throws ConfigError for a model that cannot tell; DataError for what is not an image
 */
export async function explainCaption(
  { model, processor, settings }: Looking,
  source: ImageSource,
  caption?: ScoredCaption,
): Promise<SheetPart> {
  if (!model.lookedAt) {
    throw new ConfigError('the model cannot tell where it looks', {
      found: model.constructor.name,
      allowed: 'a model with a method lookedAt(), such as blip_caption',
    });
  }
  const pixels = await processor.process(source);
  const image = stacked([pixels]);
  try {
    const [told] = caption ? [caption] : await scoredCaptions(model, { image }, settings);
    const [words] = await model.lookedAt({ image }, [told]);
    const { mean, std } = processor.scaling ?? { mean: CLIP_MEAN, std: CLIP_STD };
    const picture = pictureOf(pixels, { mean, std });
    const sure =
      told.logProbability === undefined ? '' : ` (log-probability ${told.logProbability.toFixed(2)})`;
    return { title: `${told.caption}${sure}`, cells: lookCells(picture, words) };
  } finally {
    image.dispose();
  }
}

/** Drawings of where a captioner looked, in a folder: one for each image, of its first caption. */
export class Explanations {
  readonly #taken = new Set<string>();

  /** @throws DataError where the folder cannot be made */
  constructor(
    private readonly captioner: Looking,
    private readonly folder: string,
  ) {
    makeFolder(folder);
  }

  /** @returns the file */
  async draw(image: string, source: ImageSource, [caption]: readonly ScoredCaption[]): Promise<string> {
    if (!caption) throw new DataError('there is no caption to explain', { where: image });
    const path = this.#pathFor(image);
    await drawSheet([await explainCaption(this.captioner, source, caption)], path);
    return path;
  }

  /** Images of one name in several folders get numbers. */
  #pathFor(image: string): string {
    const stem = basename(image, extname(image)) || 'image';
    for (let n = 1; ; n++) {
      const name = `${stem}${n === 1 ? '' : `_${n}`}.png`;
      if (this.#taken.has(name)) continue;
      this.#taken.add(name);
      return join(this.folder, name);
    }
  }
}

/**
 * Draws for the report of a run where its best weights look, for the words that they say now.
 * @param folder the run's own
 * @throws CheckpointError when it has no weights; ConfigError for a model that cannot tell
 */
export async function explainRun(folder: string, count: number): Promise<Explain> {
  const checkpoint = await newestCheckpoint(folder, 'best');
  if (!checkpoint)
    throw new CheckpointError('the run has no weights to ask where they look', { where: folder });
  const loaded = await loadCheckpointModel(checkpoint);
  const model = captionModel(loaded.model);
  const { numBeams, maxLength, minLength } = loaded.generation;
  const looking = { model, processor: loaded.processor(), settings: { numBeams, maxLength, minLength } };
  return {
    count,
    async draw({ files }) {
      if (files.length !== 1) return undefined;
      try {
        return await sheetImage([await explainCaption(looking, files[0])]);
      } catch (thrown) {
        if (!(thrown instanceof DataError)) throw thrown;
        log.warn(`not drawn: ${messageOf(thrown)}`);
        return undefined;
      }
    },
  };
}
