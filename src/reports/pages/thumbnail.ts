import sharp from 'sharp';

/** What datasets hold; SVG and PDF, which can name other files, are none of it. */
const FORMATS = new Set(['jpeg', 'png', 'webp', 'gif', 'tiff', 'avif', 'heif']);

/** The image as a small JPEG, at most `size` pixels wide and high; undefined where it is none. */
export async function thumbnail(file: string, size: number): Promise<Uint8Array | undefined> {
  try {
    const image = sharp(file, { failOn: 'none' });
    const { format } = await image.metadata();
    if (!format || !FORMATS.has(format)) return undefined;
    const drawn = image.rotate().resize(size, size, { fit: 'inside', withoutEnlargement: true });
    return await drawn.flatten({ background: '#fff' }).jpeg({ quality: 75 }).toBuffer();
  } catch {
    return undefined;
  }
}
