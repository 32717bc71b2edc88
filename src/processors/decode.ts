import { readFile } from 'node:fs/promises';
import sharp, { type Metadata, type Sharp } from 'sharp';
import { DataError, messageOf } from '../common/errors.js';
import type { RgbImage } from './rgb_image.js';

/**
 * Reads an image as the reference does with Pillow's `open(path).convert('RGB')`: EXIF orientation and
 * colour profiles are ignored, alpha is dropped without blending, grey becomes three equal channels.
 * @param source a path, or a file's bytes.
 * @throws DataError when the file is missing, is no image, or ends too early.
 */
export async function decodeImage(source: string | Uint8Array): Promise<RgbImage> {
  const where = typeof source === 'string' ? source : `${source.length} bytes in memory`;
  const bytes = typeof source === 'string' ? await readBytes(source) : source;
  try {
    // 'error' refuses what Pillow refuses: files cut short, broken streams; not mere oddities.
    const image = sharp(bytes, { failOn: 'error', ignoreIcc: true });
    return await toRgb(image, isColourJpeg(bytes) ? { space: 'srgb', channels: 3 } : await image.metadata());
  } catch (error) {
    throw new DataError('an image cannot be decoded', {
      where,
      found: `${describe(bytes)}: ${firstLine(messageOf(error))}`,
      allowed: 'a whole JPEG, PNG, WebP, GIF, TIFF or AVIF file',
      help: 'a file cut short or damaged on its way has to be fetched again',
      cause: error,
    });
  }
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new DataError(missing ? 'an image is missing' : 'an image cannot be read', {
      where: path,
      found: missing ? 'no file of this name' : messageOf(error),
      help: missing ? 'check the image folder of the dataset (build_info.images.storage)' : undefined,
      cause: error,
    });
  }
}

async function toRgb(
  image: Sharp,
  { space, channels }: Pick<Metadata, 'space' | 'channels'>,
): Promise<RgbImage> {
  if (space === 'cmyk') return fromCmyk(image);
  if (space === 'grey16' && channels === 1) return fromGrey16(image);
  const { data, info } = await image
    .removeAlpha()
    .toColourspace(space === 'b-w' ? 'b-w' : 'srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  return { data: info.channels === 1 ? repeatChannel(data) : data, width, height };
}

/** Whether a JPEG's frame has three components: most images have, and need not be opened twice. */
function isColourJpeg(bytes: Uint8Array): boolean {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return false;
  for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1];
    // All of C0 to CF but Huffman tables, extensions and arithmetic conditioning begin a frame.
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return bytes[at + 9] === 3;
    at += 2 + ((bytes[at + 2] << 8) | bytes[at + 3]);
  }
  return false;
}

/** Without a colour profile, as Pillow does it: R = 255 - K - C * (255 - K) / 255, rounded, cut at 0. */
async function fromCmyk(image: Sharp): Promise<RgbImage> {
  const { data, info } = await image
    .pipelineColourspace('cmyk')
    .toColourspace('cmyk')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < rgb.length; from += info.channels) {
    const light = 255 - data[from + 3];
    for (let channel = 0; channel < 3; channel++) {
      const product = data[from + channel] * light + 128;
      rgb[to++] = Math.max(0, light - (((product >> 8) + product) >> 8));
    }
  }
  return { data: rgb, width, height };
}

/** Pillow cuts 16-bit grey at 255 where one would expect it to be scaled; the reference sees that. */
async function fromGrey16(image: Sharp): Promise<RgbImage> {
  const { data, info } = await image
    .toColourspace('grey16')
    .raw({ depth: 'ushort' })
    .toBuffer({ resolveWithObject: true });
  const values = new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
  const bytes = Uint8ClampedArray.from(values);
  return { data: repeatChannel(bytes), width: info.width, height: info.height };
}

function repeatChannel(grey: ArrayLike<number>): Uint8Array {
  const rgb = new Uint8Array(grey.length * 3);
  for (let from = 0, to = 0; from < grey.length; from++) {
    rgb[to++] = grey[from];
    rgb[to++] = grey[from];
    rgb[to++] = grey[from];
  }
  return rgb;
}

const SIGNATURES: [string, string][] = [
  ['\xff\xd8\xff', 'a JPEG'],
  ['\x89PNG', 'a PNG'],
  ['GIF8', 'a GIF'],
  ['RIFF', 'a WebP'],
  ['BM', 'a BMP'],
  ['PK\x03\x04', 'a zip archive'],
  ['\x1f\x8b', 'a gzip archive'],
  ['%PDF', 'a PDF'],
];

/** What the bytes look like, for an error message. */
function describe(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'an empty file';
  const start = Buffer.from(bytes.subarray(0, 24)).toString('latin1');
  const known = SIGNATURES.find(([signature]) => start.startsWith(signature))?.[1];
  const printable = /^[\t\r\n\x20-\x7e]*$/.test(start) && `text that starts with ${JSON.stringify(start)}`;
  return `${known ?? (printable || 'bytes of no known format')}, ${bytes.length} bytes`;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0];
}
