import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import { cachePath } from '../../common/paths.js';
import { registry } from '../../common/registry.js';
import { CaptionDataset, CaptionEvalDataset } from '../datasets/caption_dataset.js';
import { drawShapes, type ShapesOptions } from '../datasets/shapes/draw.js';
import type { Split } from '../types.js';
import { type AnnotationFile, type DatasetSection, tableAt } from './build_info.js';
import { CaptionBuilder, type Prepared } from './caption_builder.js';

/**
 * The demonstration: scenes of two coloured shapes, drawn from a seed into the cache, with captions that
 * tell their relation. The pairs of shapes in val and test never occur in train.
 */
@registry.registerBuilder('shapes_caption')
export class ShapesCaptionBuilder extends CaptionBuilder {
  static readonly defaultConfigs = { default: 'configs/datasets/shapes/defaults_cap.yaml' };
  readonly name = 'shapes_caption';
  protected override readonly trainDataset = CaptionDataset;
  protected override readonly evalDataset = CaptionEvalDataset;

  static fromConfig(section: DatasetSection): ShapesCaptionBuilder {
    return new ShapesCaptionBuilder(section);
  }

  protected override async prepare(splits?: readonly Split[]): Promise<Prepared> {
    const options = this.#options();
    if (!existsSync(this.#root)) {
      const count = options.train + options.val + options.test;
      log.info(`drawing ${count} scenes into ${this.#root}`);
      await drawShapes(this.#root, options);
    }
    const files = new Map<Split, AnnotationFile[]>();
    for (const split of ['train', 'val', 'test'] as const) {
      if ((splits && !splits.includes(split)) || options[split] === 0) continue;
      const path = join(this.#root, 'annotations', `shapes_${split}.json`);
      files.set(split, [{ path, option: `datasets.${this.name}.build_info.scenes.${split}=N` }]);
    }
    return { files, missing: [] };
  }

  protected override get folder(): string {
    return join(this.#root, 'images');
  }

  /** A folder of its own for every set of numbers, so that none is taken for another. */
  get #root(): string {
    const { seed, train, val, test, imageSize } = this.#options();
    const info = tableAt(this.section, 'build_info', `datasets.${this.name}`);
    const storage = String(info.storage ?? 'shapes_caption');
    return join(cachePath(storage), `seed${seed}-${train}-${val}-${test}-${imageSize}px`);
  }

  #options(): ShapesOptions {
    const where = `datasets.${this.name}.build_info`;
    const info = tableAt(this.section, 'build_info', `datasets.${this.name}`);
    const given = tableAt(info, 'scenes', where);
    const count = (key: string, fallback: number, least: number): number => {
      const value = given[key] ?? fallback;
      if (typeof value === 'number' && Number.isInteger(value) && value >= least) return value;
      throw new ConfigError(`${where}.scenes.${key} is not a whole number from ${least}`, {
        where: `${where}.scenes.${key}`,
        found: JSON.stringify(value),
      });
    };
    return {
      seed: count('seed', 42, 0),
      train: count('train', 4000, 0),
      val: count('val', 200, 0),
      test: count('test', 200, 0),
      imageSize: count('image_size', 96, 16),
    };
  }
}
