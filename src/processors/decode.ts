import { readFile } from 'node:fs/promises';
import sharp, { type Metadata, type Sharp } from 'sharp';
import { DataError, messageOf } from '../common/errors.js';
import { fileSystemPath } from '../common/paths.js';
import { bmpSize, decodeBmp } from './bmp.js';
import { ALLOWED_FORMATS, CONVERT, describeBytes, endsEarly, kindOf } from './image_format.js';
import type { RgbImage } from './rgb_image.js';

/**
 * How a file is decoded.
 *
 * `as_shown`: as image viewers show it. The EXIF orientation is applied, transparency is blended onto white, and
 * 16-bit grey is scaled to 8 bits.
 *
 * `reference`: as LAVIS reads it with Pillow's `open(path).convert('RGB')`. The orientation is ignored, alpha is
 * dropped without blending, 16-bit grey is clipped at 255. (Fully transparent pixels of a GIF are black here, since
 * libvips keeps no colour for them.)
 */
export type Decoding = 'as_shown' | 'reference';
export const DECODINGS = ['as_shown', 'reference'] as const satisfies readonly Decoding[];

/** Pillow refuses larger images: even a small file can claim any size. */
const MAX_PIXELS = 178_956_970;

/**
 * Reads an image as 8-bit RGB. Colour profiles are ignored; grey becomes three equal channels; only
 * the first frame of an animation is read.
 * @param source a path, or a file's bytes.
 * @throws DataError when the file is missing, is not an image, ends too early, or has more than `MAX_PIXELS`.
 */
export async function decodeImage(
  source: string | Uint8Array,
  { decode = 'as_shown' }: { decode?: Decoding } = {},
): Promise<RgbImage> {
  const where = typeof source === 'string' ? source : `${source.length} bytes in memory`;
  const bytes = typeof source === 'string' ? await readBytes(source) : source;
  // Only known image formats reach the library: it would also render SVG, which can reference other files.
  const kind = kindOf(bytes);
  if (!kind?.decoded) throw notDecoded(where, bytes);
  try {
    if (kind.name === 'a BMP') return fromBmp(bytes, decode);
    // 'error' refuses what Pillow refuses, truncated files and broken streams, but tolerates minor oddities.
    const autoOrient = decode === 'as_shown';
    const image = sharp(bytes, {
      failOn: 'error',
      ignoreIcc: true,
      limitInputPixels: MAX_PIXELS,
      autoOrient,
    });
    const form = isColourJpeg(bytes)
      ? { space: 'srgb', channels: 3, hasAlpha: false }
      : await image.metadata();
    return await toRgb(image, form as Form, decode);
  } catch (error) {
    throw notDecoded(where, bytes, error);
  }
}

/**
 * Checks an image's first bytes and the size in its header, before decoding it.
 * @throws DataError if it is not an image, or has more than `maxPixels`
 */
export async function checkImage(bytes: Uint8Array, maxPixels = MAX_PIXELS): Promise<void> {
  const where = `${bytes.length} bytes in memory`;
  const kind = kindOf(bytes);
  if (!kind?.decoded) throw notDecoded(where, bytes);
  let size: { width: number; height: number };
  try {
    const isBmp = kind.name === 'a BMP';
    size = isBmp ? bmpSize(bytes) : await sharp(bytes, { limitInputPixels: false }).metadata();
  } catch (error) {
    throw notDecoded(where, bytes, error);
  }
  const { width, height } = size;
  if (width * height > maxPixels) throw tooLarge(where, `${width} x ${height} pixels`, maxPixels);
}

/** The error for bytes that cannot be decoded, with help that fits their format. */
function notDecoded(where: string, bytes: Uint8Array, cause?: unknown): DataError {
  const kind = kindOf(bytes);
  const described = describeBytes(bytes);
  const said = cause instanceof DataError ? (cause.details.found ?? '') : firstLine(messageOf(cause ?? ''));
  if (/pixel limit|limit of pixels/.test(said)) {
    return tooLarge(where, `${described}: ${said}`, MAX_PIXELS, cause);
  }
  if (!kind || bytes.length === 0) {
    return new DataError('an image cannot be decoded', {
      where,
      found: described,
      allowed: ALLOWED_FORMATS,
      help:
        bytes.length === 0
          ? 'the file is empty: fetch or copy it again'
          : 'this is not an image: check its name and where it came from',
    });
  }
  const early = endsEarly(bytes) || /premature end/i.test(said);
  const why = early && !/premature end/i.test(said) ? 'premature end of the file' : said;
  return new DataError('an image cannot be decoded', {
    where,
    // The library reports "Unknown error" when another image failed at the same moment.
    found: cause ? `${described}: ${/^unknown error/i.test(why) ? 'its data is damaged' : why}` : described,
    allowed: ALLOWED_FORMATS,
    help: kind.help ?? helpFor(said, early),
    cause,
  });
}

function tooLarge(where: string, found: string, maxPixels: number, cause?: unknown): DataError {
  const side = Math.floor(Math.sqrt(maxPixels));
  return new DataError('an image is too large', {
    where,
    found,
    allowed: `at most ${maxPixels} pixels (${side} x ${side})`,
    help: 'make it smaller; a small file that claims such a size may be meant to exhaust memory',
    cause,
  });
}

function helpFor(said: string, early: boolean): string {
  if (early) return 'the file was cut short: fetch it again';
  return /not supported$/.test(said) ? CONVERT : 'the file is damaged: fetch it again';
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(fileSystemPath(path));
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

type Form = Pick<Metadata, 'space' | 'channels' | 'hasAlpha'>;

async function toRgb(image: Sharp, { space, channels, hasAlpha }: Form, decode: Decoding): Promise<RgbImage> {
  if (space === 'cmyk') return fromCmyk(image);
  if (space === 'grey16' && channels === 1) return fromGrey16(image, decode);
  const plain = hasAlpha && decode === 'as_shown' ? image.flatten({ background: '#fff' }) : image;
  const { data, info } = await plain
    .removeAlpha()
    .toColourspace(space === 'b-w' ? 'b-w' : 'srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  return { data: info.channels === 1 ? repeatChannel(data) : data, width, height };
}

function fromBmp(bytes: Uint8Array, decode: Decoding): RgbImage {
  const { data, width, height, opaque } = decodeBmp(bytes, MAX_PIXELS);
  const rgb = new Uint8Array(width * height * 3);
  const blended = !opaque && decode === 'as_shown';
  for (let from = 0, to = 0; to < rgb.length; from += 4) {
    const alpha = blended ? data[from + 3] : 255;
    for (let channel = 0; channel < 3; channel++) {
      rgb[to++] = Math.round((data[from + channel] * alpha + 255 * (255 - alpha)) / 255);
    }
  }
  return { data: rgb, width, height };
}

/** Whether a JPEG's frame has three components: most do, and then need not be opened twice. */
function isColourJpeg(bytes: Uint8Array): boolean {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return false;
  for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1];
    // All of C0 to CF begin a frame, except Huffman tables, extensions and arithmetic conditioning.
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return bytes[at + 9] === 3;
    at += 2 + ((bytes[at + 2] << 8) | bytes[at + 3]);
  }
  return false;
}

/** Without a colour profile, as Pillow does it: R = 255 - K - C * (255 - K) / 255, rounded, clipped at 0. */
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

/** Pillow clips 16-bit grey at 255 instead of scaling it, and the reference does too. */
async function fromGrey16(image: Sharp, decode: Decoding): Promise<RgbImage> {
  const { data, info } = await image
    .toColourspace('grey16')
    .raw({ depth: 'ushort' })
    .toBuffer({ resolveWithObject: true });
  const values = new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
  const bytes =
    decode === 'reference' ? Uint8ClampedArray.from(values) : Uint8Array.from(values, (value) => value >> 8);
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

function firstLine(text: string): string {
  return text.split('\n', 1)[0];
}
