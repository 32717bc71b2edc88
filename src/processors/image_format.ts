import { extname } from 'node:path';
import sharp from 'sharp';

/** A file's format, by its first bytes. */
export interface FileKind {
  /** With its article, for messages: 'a JPEG'. */
  readonly name: string;
  /** Whether `decodeImage` reads it. */
  readonly decoded: boolean;
  /** What to do with a file that cannot be decoded. */
  readonly help?: string;
}

/** File extensions of images, in the order that messages list them. */
const TAKEN = 'jpg jpeg jpe jfif png webp gif bmp dib tif tiff avif'.split(' ');

const HEIC = /^hei[cfs]s?$/;
/** sharp's prebuilt binaries have no HEVC decoder; a system-wide libvips may have one. */
const decodesHeic = sharp.format.heif?.input.fileSuffix?.some((suffix) => /hei[cf]/.test(suffix)) ?? false;

export const ALLOWED_FORMATS = 'a complete JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF file';
export const HEIC_HELP =
  'HEIC needs a decoder that is not freely distributed: convert to JPEG (heif-convert IN.heic OUT.jpg; on macOS sips -s format jpeg IN.heic --out OUT.jpg)';
export const CONVERT = 'convert it to PNG or JPEG';
const NOT_AN_IMAGE = 'this is not an image: check its name and where it came from';

const image = (name: string): FileKind => ({ name, decoded: true });
const other = (name: string, help = NOT_AN_IMAGE): FileKind => ({ name, decoded: false, help });
const heic: FileKind = { name: 'a HEIC', decoded: decodesHeic, help: HEIC_HELP };

const SIGNATURES: readonly (readonly [start: string, kind: FileKind])[] = [
  ['\xff\xd8\xff', image('a JPEG')],
  ['\x89PNG', image('a PNG')],
  ['GIF8', image('a GIF')],
  ['II*\0', image('a TIFF')],
  ['MM\0*', image('a TIFF')],
  ['II+\0', image('a TIFF')],
  ['MM\0+', image('a TIFF')],
  ['\xff\x0a', other('a JPEG XL', CONVERT)],
  ['\0\0\0\x0cJXL ', other('a JPEG XL', CONVERT)],
  ['\0\0\0\x0cjP  ', other('a JPEG 2000', CONVERT)],
  [
    '\0\x05\x16\x07',
    other('macOS metadata (AppleDouble)', 'delete it: the image is the file without ._ in its name'),
  ],
  ['8BPS', other('a Photoshop file', CONVERT)],
  ['\0\0\x01\0', other('an icon', CONVERT)],
  ['%PDF', other('a PDF', 'this is a document: export its pages as images')],
  ['PK\x03\x04', other('a zip archive', 'unpack it and name the folder')],
  ['\x1f\x8b', other('a gzip archive', 'unpack it and name the folder')],
  ['7z\xbc\xaf', other('a 7z archive', 'unpack it and name the folder')],
  ['Rar!', other('a RAR archive', 'unpack it and name the folder')],
  ['version https://git-lfs', other('a Git LFS pointer', 'the image itself was not fetched: git lfs pull')],
];

const HEIF_BRANDS = /hei[cmsx]|hev[cmsx]/;

/** What the bytes of a file look like; undefined where they are of no known kind. */
export function kindOf(bytes: Uint8Array): FileKind | undefined {
  const start = Buffer.from(bytes.subarray(0, 512)).toString('latin1');
  if (start.slice(4, 8) === 'ftyp') return boxKind(bytes, start);
  if (start.startsWith('RIFF')) return start.slice(8, 12) === 'WEBP' ? image('a WebP') : other('a RIFF file');
  if (isBmp(bytes)) return image('a BMP');
  const known = SIGNATURES.find(([signature]) => start.startsWith(signature));
  if (known) return known[1];
  const text = start.replace(/^\xef\xbb\xbf/, '').trimStart();
  if (/^(<\?xml[\s\S]*)?(<!--[\s\S]*)?<svg[\s>]/i.test(text)) return other('an SVG drawing', CONVERT);
  if (/^<(!doctype html|html|head|body)\b/i.test(text)) {
    return other(
      'a web page',
      'the address of a page was fetched in place of the image: fetch the image itself',
    );
  }
  return undefined;
}

/** ISO media files say in their brands what is in them. */
function boxKind(bytes: Uint8Array, start: string): FileKind {
  const length = Math.min(Buffer.from(bytes.subarray(0, 4)).readUInt32BE(0), start.length);
  const brands = start.slice(8, length);
  if (/avi[fs]/.test(brands)) return image('an AVIF');
  if (HEIF_BRANDS.test(brands)) return heic;
  return /mif1|msf1/.test(brands) ? { ...heic, name: 'a HEIF' } : other('a video');
}

/** The letters BM alone begin many a text: the header behind them has one of a few sizes. */
function isBmp(bytes: Uint8Array): boolean {
  if (bytes[0] !== 0x42 || bytes[1] !== 0x4d) return false;
  if (bytes.length < 18) return bytes.subarray(2).some((byte) => byte < 9);
  return [12, 16, 40, 52, 56, 64, 108, 124].includes(Buffer.from(bytes.subarray(14, 18)).readUInt32LE(0));
}

/** What the bytes are, in the words of a message. */
export function describeBytes(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'an empty file';
  const start = Buffer.from(bytes.subarray(0, 24)).toString('latin1');
  const printable = /^[\t\r\n\x20-\x7e]*$/.test(start) && `text that starts with ${JSON.stringify(start)}`;
  return `${kindOf(bytes)?.name ?? (printable || 'an unknown format')}, ${bytes.length} bytes`;
}

/** Whether an image ends before its format's end marker, as after a broken transfer. */
export function endsEarly(bytes: Uint8Array): boolean {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (kindOf(bytes)?.name) {
    case 'a JPEG':
      // An embedded image, such as a camera's preview, has its own end marker before the scan.
      return (
        buffer.lastIndexOf('\xff\xd9', undefined, 'latin1') <
        Math.max(2, buffer.lastIndexOf('\xff\xda', undefined, 'latin1'))
      );
    case 'a PNG':
      return !buffer.includes('IEND', 8, 'latin1');
    case 'a GIF':
      return !buffer.subarray(-16).includes(0x3b);
    case 'a WebP':
      return bytes.length < 12 || buffer.readUInt32LE(4) + 8 > bytes.length;
    case 'an AVIF':
    case 'a HEIC':
    case 'a HEIF':
      return boxesEnd(buffer) > bytes.length;
    default:
      return false;
  }
}

/** Where the last box of a media file claims to end. */
function boxesEnd(bytes: Buffer): number {
  let at = 0;
  while (at + 8 <= bytes.length) {
    const size = bytes.readUInt32BE(at);
    if (size < 8) return bytes.length; // 0 extends to the end, 1 stores its size elsewhere
    at += size;
  }
  return at;
}

/** The kind of a file by its name, for folder scans. */
export type NameKind = 'image' | 'heic' | 'hidden' | 'other';

/** The endings of an image's name, one or several: `.jpg`, `.jpg.png`. HEIC is an image here, decoded or not. */
const ENDING = new RegExp(`(\\.(${[...TAKEN, 'hei[cf]s?'].join('|')}))+$`, 'i');

/** A file's name without its image extensions, in upper or lower case; unchanged if it has none. */
export const withoutImageEnding = (name: string): string => name.replace(ENDING, '');

/** Whether a name has the extension of an image that can be decoded, in upper or lower case. */
export function nameKind(name: string): NameKind {
  if (isHidden(name)) return 'hidden';
  const ending = extname(name).slice(1).toLowerCase();
  if (TAKEN.includes(ending)) return 'image';
  if (HEIC.test(ending)) return decodesHeic ? 'image' : 'heic';
  return 'other';
}

/** Files and folders that systems and programs create for their own use: `._photo.jpg`, `.ipynb_checkpoints`, `Thumbs.db`. */
export function isHidden(name: string): boolean {
  return name.startsWith('.') || /^(thumbs\.db|ehthumbs\.db|desktop\.ini|__MACOSX|@eaDir)$/i.test(name);
}
