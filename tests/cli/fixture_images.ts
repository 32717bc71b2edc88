import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { toFloat32 } from '#src/common/host_tensor.js';
import { packageRoot } from '#src/common/paths.js';
import { familySection, weightsFile } from '../models/family.js';
import { readTensors } from '../models/tiny.js';

/**
 * A fixture's images as files that a command line can name: each picture says, by its colour, which of the
 * fixture's tensors the model is to see, and a plug-in's processor gives that one. Everything between is real.
 */
export interface FixtureImages {
  /** 0.png, 1.png, … */
  files: string[];
  /** `--cfg-path … --checkpoint … --plugin … --device cpu` */
  common: string[];
}

/**
 * @param name the fixture's folder
 * @param tensors its file that holds `image`
 * @param section its model, without weights
 */
export async function fixtureImages(
  folder: string,
  name: string,
  tensors = 'inputs.safetensors',
  section = familySection(name),
): Promise<FixtureImages> {
  mkdirSync(folder, { recursive: true });
  const image = (await readTensors(name, tensors)).get('image')!;
  const [count, channels, height, width] = image.shape;
  const values = toFloat32(image);
  const size = height * width;
  const pixels = Array.from({ length: count }, (_, n) =>
    Array.from(
      { length: size * channels },
      (_, i) => values[(n * channels + (i % channels)) * size + Math.floor(i / channels)],
    ),
  );
  const files = await Promise.all(
    pixels.map(async (_, n) => {
      const file = join(folder, `${n}.png`);
      await sharp({ create: { width: 4, height: 4, channels: 3, background: { r: n, g: 0, b: 0 } } })
        .png()
        .toFile(file);
      return file;
    }),
  );
  writeFileSync(join(folder, 'pixels.json'), JSON.stringify({ shape: [height, width, channels], pixels }));
  const plugin = join(folder, 'plugin.mjs');
  const yaml = join(folder, 'model.yaml');
  const model = { model_type: MODEL_TYPES[name], ...section };
  const processor = { name: `pixels_of_${name}`, file: join(folder, 'pixels.json') };
  const text = { name: 'base_processor' };
  writeFileSync(
    yaml,
    JSON.stringify({
      model,
      preprocess: { vis_processor: { eval: processor }, text_processor: { eval: text } },
    }),
  );
  writeFileSync(plugin, PLUGIN.replaceAll('NAME', `pixels_of_${name}`));
  return {
    files,
    common: ['--cfg-path', yaml, '--checkpoint', weightsFile(name), '--plugin', plugin, '--device', 'cpu'],
  };
}

const MODEL_TYPES: Record<string, string> = {
  tiny_caption: 'base_coco',
  tiny_vqa: 'vqav2',
  tiny_itm: 'base',
  tiny_features: 'base',
};

const INDEX = pathToFileURL(join(packageRoot, 'dist', 'index.js')).href;
const PLUGIN = `
import { readFileSync } from 'node:fs';
import { ImageProcessor, registry } from '${INDEX}';
class Pixels extends ImageProcessor {
  constructor({ shape, pixels }) {
    super();
    Object.assign(this, { shape, pixels });
  }
  static fromConfig({ file }) {
    return new Pixels(JSON.parse(readFileSync(file, 'utf8')));
  }
  apply({ data }) {
    return { data: Float32Array.from(this.pixels[data[0] % this.pixels.length]), shape: this.shape };
  }
}
registry.registerProcessor('NAME')(Pixels);
`;
