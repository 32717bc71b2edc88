import { DataError } from '../common/errors.js';

/** Pixels with alpha, data[(y * width + x) * 4 + channel]; `opaque` where every alpha is 255. */
export interface RgbaImage {
  data: Uint8Array;
  width: number;
  height: number;
  opaque: boolean;
}

const RGB = 0;
const RLE8 = 1;
const RLE4 = 2;
const BITFIELDS = 3;
const ALPHA_BITFIELDS = 6;

interface Header {
  width: number;
  height: number;
  topDown: boolean;
  bits: number;
  compression: number;
  /** Where the header ends: at the colour masks that follow an old one, or at the palette. */
  end: number;
  colours: number;
  /** Bytes per palette colour. */
  colourSize: 3 | 4;
  masks: readonly number[];
  pixelsAt: number;
}

/**
 * Decodes a BMP of Windows or OS/2: 1, 2, 4, 8, 16, 24 or 32 bits, run-length encoded ones too.
 * @param maxPixels a larger one is refused before it takes memory
 * @throws DataError without `where`, which the caller adds.
 */
export function decodeBmp(file: Uint8Array, maxPixels = Number.POSITIVE_INFINITY): RgbaImage {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const header = readHeader(bytes);
  const { width, height } = header;
  if (width * height > maxPixels) throw fault(`${width} x ${height} pixels, more than the pixel limit`);
  if (header.bits > 8) return direct(bytes, header);
  const palette = readPalette(bytes, header);
  const encoded = header.compression === RLE8 || header.compression === RLE4;
  const indices = encoded ? runs(bytes, header) : packed(bytes, header);
  const data = new Uint8Array(width * height * 4);
  for (let i = 0; i < indices.length; i++) {
    const colour = indices[i] * 4;
    // An index past the palette is black, as in other decoders.
    for (let channel = 0; channel < 3; channel++) data[4 * i + channel] = palette[colour + channel] ?? 0;
    data[4 * i + 3] = 255;
  }
  return { data, width, height, opaque: true };
}

/** The size in a BMP's header. @throws DataError without `where` */
export function bmpSize(file: Uint8Array): Pick<Header, 'width' | 'height'> {
  return readHeader(Buffer.from(file.buffer, file.byteOffset, file.byteLength));
}

function readHeader(bytes: Buffer): Header {
  need(bytes, 18);
  const size = bytes.readUInt32LE(14);
  need(bytes, 14 + size);
  const old = size === 12;
  const width = old ? bytes.readUInt16LE(18) : bytes.readInt32LE(18);
  const signedHeight = old ? bytes.readUInt16LE(20) : bytes.readInt32LE(22);
  const bits = bytes.readUInt16LE(old ? 24 : 28);
  const compression = size >= 40 ? bytes.readUInt32LE(30) : RGB;
  const asked = size >= 40 ? bytes.readUInt32LE(46) : 0;
  const fits =
    compression === RGB
      ? [1, 2, 4, 8, 16, 24, 32].includes(bits)
      : (compression === RLE8 && bits === 8) ||
        (compression === RLE4 && bits === 4) ||
        ((compression === BITFIELDS || compression === ALPHA_BITFIELDS) && (bits === 16 || bits === 32));
  if (!fits) throw fault(`${bits} bits per pixel with compression ${compression}, which is not supported`);
  if (width <= 0 || signedHeight === 0) throw fault(`a size of ${width} x ${signedHeight}`);
  const end = 14 + size;
  const masked = compression === BITFIELDS || compression === ALPHA_BITFIELDS;
  const withAlpha = size >= 56 || compression === ALPHA_BITFIELDS;
  return {
    width,
    height: Math.abs(signedHeight),
    topDown: signedHeight < 0,
    bits,
    compression,
    end: masked && size === 40 ? end + (withAlpha ? 16 : 12) : end,
    colours: bits > 8 ? 0 : Math.min(asked || 1 << bits, 1 << bits),
    colourSize: old ? 3 : 4,
    masks: masked ? readMasks(bytes, withAlpha) : bits === 16 ? [0x7c00, 0x3e0, 0x1f, 0] : [],
    pixelsAt: bytes.readUInt32LE(10),
  };
}

/** Masks of red, green, blue, alpha: they stand at the same place in a new header as behind an old one. */
function readMasks(bytes: Buffer, withAlpha: boolean): number[] {
  need(bytes, withAlpha ? 70 : 66);
  return [54, 58, 62].map((at) => bytes.readUInt32LE(at)).concat(withAlpha ? bytes.readUInt32LE(66) : 0);
}

/** Red, green, blue and nothing for each colour. */
function readPalette(bytes: Buffer, { end, colours, colourSize, pixelsAt }: Header): Uint8Array {
  const there = Math.min(colours, Math.max(0, Math.floor((pixelsAt - end) / colourSize)));
  need(bytes, end + there * colourSize);
  const palette = new Uint8Array(there * 4);
  for (let i = 0; i < there; i++) {
    for (let channel = 0; channel < 3; channel++) {
      palette[4 * i + channel] = bytes[end + i * colourSize + 2 - channel];
    }
  }
  return palette;
}

/** Calls back for every row of the image, from the top, with the offset of its bytes. */
function eachRow(bytes: Buffer, header: Header, row: (y: number, at: number) => void): void {
  const { width, height, bits, topDown, pixelsAt } = header;
  const stride = Math.ceil((width * bits) / 32) * 4;
  // The last row may lack its padding.
  need(bytes, pixelsAt + stride * (height - 1) + Math.ceil((width * bits) / 8));
  for (let y = 0; y < height; y++) row(y, pixelsAt + stride * (topDown ? y : height - 1 - y));
}

function packed(bytes: Buffer, header: Header): Uint8Array {
  const { width, height, bits } = header;
  const mask = (1 << bits) - 1;
  const perByte = 8 / bits;
  need(bytes, header.pixelsAt);
  // Checked before pixels are allocated: a header can claim any size.
  eachRow(bytes, header, () => {});
  const indices = new Uint8Array(width * height);
  eachRow(bytes, header, (y, at) => {
    for (let x = 0; x < width; x++) {
      const shift = 8 - bits * ((x % perByte) + 1);
      indices[y * width + x] = (bytes[at + Math.floor(x / perByte)] >> shift) & mask;
    }
  });
  return indices;
}

/** Run-length encoded indices; pixels that the runs pass over have index 0. */
function runs(bytes: Buffer, { width, height, compression, topDown, pixelsAt }: Header): Uint8Array {
  const nibbles = compression === RLE4;
  const indices = new Uint8Array(width * height);
  let [at, x, y] = [pixelsAt, 0, 0];
  const put = (index: number) => {
    if (x < width && y < height) indices[(topDown ? y : height - 1 - y) * width + x] = index;
    x++;
  };
  const nth = (from: number, i: number) =>
    nibbles ? (bytes[from + (i >> 1)] >> (i % 2 ? 0 : 4)) & 15 : bytes[from + i];
  while (y < height) {
    need(bytes, at + 2);
    const count = bytes[at++];
    const value = bytes[at++];
    if (count > 0) {
      for (let i = 0; i < count; i++) put(nth(at - 1, nibbles ? i % 2 : 0));
    } else if (value === 0) {
      [x, y] = [0, y + 1];
    } else if (value === 1) {
      break;
    } else if (value === 2) {
      need(bytes, at + 2);
      x += bytes[at++];
      y += bytes[at++];
    } else {
      const length = nibbles ? Math.ceil(value / 2) : value;
      need(bytes, at + length);
      for (let i = 0; i < value; i++) put(nth(at, i));
      at += length + (length % 2);
    }
  }
  return indices;
}

/** 16, 24 and 32 bits: the pixels hold the colours themselves. */
function direct(bytes: Buffer, header: Header): RgbaImage {
  const { width, height, bits, masks } = header;
  eachRow(bytes, header, () => {});
  const data = new Uint8Array(width * height * 4).fill(255);
  const parts = masks.map((mask) => part(mask));
  const step = bits / 8;
  let [most, least] = [0, 255];
  eachRow(bytes, header, (y, at) => {
    for (let x = 0, to = y * width * 4; x < width; x++, at += step, to += 4) {
      if (parts.length === 0) {
        data[to] = bytes[at + 2];
        data[to + 1] = bytes[at + 1];
        data[to + 2] = bytes[at];
        continue;
      }
      const pixel = bits === 16 ? bytes.readUInt16LE(at) : bytes.readUInt32LE(at);
      for (let channel = 0; channel < 4; channel++) data[to + channel] = parts[channel](pixel);
      if (!masks[3]) data[to + 3] = 255;
      most = Math.max(most, data[to + 3]);
      least = Math.min(least, data[to + 3]);
    }
  });
  // Many programs leave every alpha at 0 but mean an opaque image.
  const opaque = parts.length === 0 || most === 0 || least === 255;
  return { data, width, height, opaque };
}

/** Extracts a channel from a pixel, scaled to 0..255. */
function part(mask: number): (pixel: number) => number {
  if (mask === 0) return () => 0;
  const shift = 31 - Math.clz32(mask & -mask);
  const most = (mask >>> shift) & 0xffffffff;
  return (pixel) => Math.round(((((pixel & mask) >>> 0) >>> shift) * 255) / (most >>> 0));
}

function need(bytes: Buffer, length: number): void {
  if (bytes.length < length) throw fault(`premature end: ${length} bytes are needed`);
}

const fault = (found: string) => new DataError('a BMP cannot be decoded', { found });
