import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { log } from '../../common/logging.js';
import { cachePath } from '../../common/paths.js';
import { key, readSection, types } from '../../config/index.js';
import { AnnotationBuilder, type Prepared } from '../annotated/annotation_builder.js';
import type { Annotation } from '../annotated/annotations.js';
import { annotatedSchema } from '../annotated/build_info.js';
import type { Split } from '../types.js';
import { type Drawing, drawShapes, type ShapesOptions } from './draw.js';
import { SHAPES_SPLITS, type ShapesSplit } from './scene.js';

const scenesKeys = {
  seed: key(types.count, 42, 'Random seed of the scenes.'),
  train: key(types.count, 3000, 'Number of training scenes; of pairs where a sample has two.'),
  val: key(types.count, 100, 'Number of validation scenes, which select the best checkpoint.'),
  test: key(types.count, 200, 'Number of test scenes.'),
  image_size: key(z.number().int().min(16), 96, 'Size of a scene in pixels.'),
};

const scenesSchema = z.strictObject(scenesKeys);

const buildInfoSchema = (storage: string) =>
  z.strictObject({
    storage: key(types.text, storage, 'The folder; a relative path is under the cache root.'),
    scenes: key(scenesSchema, undefined, 'What is drawn.'),
  });

/** The keys of drawn scenes. @param storage the folder that they are drawn into unless another is given */
export const shapesSchema = (storage: string) =>
  annotatedSchema.extend({
    build_info: key(buildInfoSchema(storage), undefined, 'Where the scenes are drawn, and how many.'),
  });

/**
 * Base of the demonstrations: scenes of two coloured shapes, drawn from a seed into the cache. The pairs of shapes in
 * val and test never occur in train. A subclass says which scenes it takes and what it tells of them.
 */
export abstract class ShapesBuilder extends AnnotationBuilder {
  /** Changes when the same numbers draw something else: what lies in the cache is not taken for it. */
  protected abstract readonly edition: string;

  /** The scenes of a split, and the annotation files about them. */
  protected abstract draw(split: ShapesSplit, options: ShapesOptions): Drawing;

  protected override async prepare(splits?: readonly Split[]): Promise<Prepared> {
    const options = this.#options();
    if (!existsSync(this.#root)) {
      log.info(`drawing the scenes of ${this.name} into ${this.#root}`);
      await drawShapes(this.#root, options.imageSize, (split) => this.draw(split, options));
    }
    const annotations = new Map<Split, Annotation[]>();
    for (const split of SHAPES_SPLITS) {
      if ((splits && !splits.includes(split)) || options[split] === 0) continue;
      const path = join(this.#root, 'annotations', `shapes_${split}.json`);
      const option = `datasets.${this.name}.build_info.scenes.${split}=N`;
      annotations.set(split, await this.readFiles(split, [{ path, option }]));
    }
    return { annotations, missing: [] };
  }

  protected override get folder(): string {
    return join(this.#root, 'images');
  }

  /** A separate folder for each set of parameters, so that they cannot be mixed up. */
  get #root(): string {
    const { seed, train, val, test, imageSize } = this.#options();
    const { storage } = this.#buildInfo();
    return join(cachePath(storage), `${this.edition}-seed${seed}-${train}-${val}-${test}-${imageSize}px`);
  }

  #options(): ShapesOptions {
    const { image_size: imageSize, ...counts } = scenesSchema.parse(this.#buildInfo().scenes ?? {});
    return { ...counts, imageSize };
  }

  #buildInfo() {
    const where = `datasets.${this.name}.build_info`;
    return readSection(where, buildInfoSchema(this.name), this.section.build_info);
  }
}
