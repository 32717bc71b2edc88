import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { log } from '../../common/logging.js';
import { cachePath } from '../../common/paths.js';
import { registry } from '../../common/registry.js';
import { key, readSection, types } from '../../config/index.js';
import type { Prepared } from '../annotated/annotation_builder.js';
import type { Annotation } from '../annotated/annotations.js';
import { annotatedSchema } from '../annotated/schema.js';
import { CaptionBuilder } from '../caption/caption_builder.js';
import { CaptionDataset, CaptionEvalDataset } from '../caption/caption_dataset.js';
import type { Split } from '../types.js';
import { drawShapes, type ShapesOptions } from './draw.js';

const scenesSchema = z.strictObject({
  seed: key(types.count, 42, 'Draws other scenes.'),
  train: key(types.count, 3000, 'Scenes to train on.'),
  val: key(types.count, 100, 'Scenes that choose the best checkpoint.'),
  test: key(types.count, 200, 'Scenes for the last evaluation.'),
  image_size: key(z.number().int().min(16), 96, 'Pixels a side of a scene.'),
});

const buildInfoSchema = z.strictObject({
  storage: key(types.text, 'shapes_caption', 'The folder; a relative path is under the cache root.'),
  scenes: key(scenesSchema, undefined, 'What is drawn.'),
});

/**
 * The demonstration: scenes of two coloured shapes, drawn from a seed into the cache, with captions that
 * tell their relation. The pairs of shapes in val and test never occur in train.
 */
@registry.registerBuilder('shapes_caption')
export class ShapesCaptionBuilder extends CaptionBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/shapes/defaults_cap.yaml' };
  static override readonly configSchema = annotatedSchema.extend({
    build_info: key(buildInfoSchema, undefined, 'Where the scenes are drawn, and how many.'),
  });
  readonly name = 'shapes_caption';
  protected override readonly trainDataset = CaptionDataset;
  protected override readonly evalDataset = CaptionEvalDataset;

  protected override async prepare(splits?: readonly Split[]): Promise<Prepared> {
    const options = this.#options();
    if (!existsSync(this.#root)) {
      const count = options.train + options.val + options.test;
      log.info(`drawing ${count} scenes into ${this.#root}`);
      await drawShapes(this.#root, options);
    }
    const annotations = new Map<Split, Annotation[]>();
    for (const split of ['train', 'val', 'test'] as const) {
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

  /** A folder of its own for every set of numbers, so that none is taken for another. */
  get #root(): string {
    const { seed, train, val, test, imageSize } = this.#options();
    const { storage } = this.#buildInfo();
    return join(cachePath(storage), `placed-seed${seed}-${train}-${val}-${test}-${imageSize}px`);
  }

  #options(): ShapesOptions {
    const { image_size: imageSize, ...counts } = scenesSchema.parse(this.#buildInfo().scenes ?? {});
    return { ...counts, imageSize };
  }

  #buildInfo(): z.output<typeof buildInfoSchema> {
    return readSection(`datasets.${this.name}.build_info`, buildInfoSchema, this.section.build_info);
  }
}
