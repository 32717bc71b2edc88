import sharp from 'sharp';
import { decodeImage } from '../../processors/index.js';

/** What datasets hold; SVG and PDF, which can name other files, are none of it. */
const FORMATS = new Set(['jpeg', 'png', 'webp', 'gif', 'tiff', 'avif', 'heif']);

/** The image as a small JPEG, at most `size` pixels wide and high; undefined where it is none. */
export async function thumbnail(file: string, size: number): Promise<Uint8Array | undefined> {
  try {
    const image = sharp(file, { failOn: 'none' });
    const { format } = await image.metadata();
    if (!format || !FORMATS.has(format)) return await fromPixels(file, size);
    const drawn = image.rotate().resize(size, size, { fit: 'inside', withoutEnlargement: true });
    return await drawn.flatten({ background: '#fff' }).jpeg({ quality: 75 }).toBuffer();
  } catch {
    return await fromPixels(file, size).catch(() => undefined);
  }
}

/** Of what sharp does not know, a BMP: as the model sees it. @throws DataError where it is not an image. */
async function fromPixels(file: string, size: number): Promise<Uint8Array> {
  const { data, width, height } = await decodeImage(file);
  return sharp(data, { raw: { width, height, channels: 3 } })
    .resize(size, size, { fit: 'inside', withoutEnlargement: true })
    .jpeg({ quality: 75 })
    .toBuffer();
}
