import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { Rng } from '../../../dist/common/random.js';
import { CAPTION } from './captioner.mjs';

const [WIDTH, HEIGHT] = [640, 480];

/** A JPEG of clouds of several scales and a little noise: about as hard to decode as a photo (80 kB). */
export async function photo(seed) {
  const rng = Rng.of(seed);
  const layers = [];
  for (const size of [4, 16, 64, 256]) {
    const data = Uint8Array.from({ length: size * size * 3 }, () => rng.int(256));
    const raw = { width: size, height: size, channels: 3 };
    layers.push(await sharp(data, { raw }).resize(WIDTH, HEIGHT, { fit: 'fill' }).raw().toBuffer());
  }
  const weights = [0.5, 0.3, 0.15, 0.05];
  const mixed = Uint8Array.from(layers[0], (_, i) =>
    weights.reduce((sum, w, k) => sum + w * layers[k][i], 0),
  );
  const raw = { width: WIDTH, height: HEIGHT, channels: 3 };
  return sharp(mixed, { raw }).jpeg({ quality: 95, chromaSubsampling: '4:2:0' }).toBuffer();
}

/**
 * Writes photos and their captions.
 * @returns the section of a `custom_caption` dataset over them, as train and val split
 */
export async function photoDataset(folder, { count, image }) {
  mkdirSync(folder, { recursive: true });
  const rows = [];
  for (let i = 0; i < count; i++) {
    const name = `${i}.jpg`;
    writeFileSync(join(folder, name), await photo(i));
    rows.push({ image: name, caption: CAPTION, image_id: i });
  }
  const file = join(folder, 'captions.json');
  writeFileSync(file, JSON.stringify(rows));
  return {
    build_info: {
      annotations: { train: { storage: file }, val: { storage: file } },
      images: { storage: folder },
    },
    vis_processor: {
      train: { name: 'blip_image_train', image_size: image },
      eval: { name: 'blip_image_eval', image_size: image },
    },
    text_processor: { train: { name: 'blip_caption' }, eval: { name: 'blip_caption' } },
  };
}
