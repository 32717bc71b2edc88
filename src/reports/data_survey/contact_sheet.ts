import sharp, { type OverlayOptions } from 'sharp';
import { DataError, messageOf } from '../../common/errors.js';
import { writeFileAtomic } from '../../common/files.js';
import { quietlyUntilDone } from '../../common/quiet.js';
import { Rng } from '../../common/random.js';
import { type Dataset, isNumericArray, type Sample } from '../../datasets/index.js';
import {
  CLIP_MEAN,
  CLIP_STD,
  type ImageArray,
  type ImageProcessor,
  type RgbImage,
  type Scaling,
} from '../../processors/index.js';
import { spread } from './images.js';

/** Part of a sheet: some pictures under a title. */
export interface SheetPart {
  title: string;
  cells: SheetCell[];
}

export interface SheetCell {
  /** Called when it is drawn: not all pictures are in memory at once. */
  picture: () => RgbImage | Promise<RgbImage>;
  text: string;
}

/** Pixels as they come from a file, 0 to 255. */
const RAW: Scaling = { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] };

const COLUMNS = 6;
const CELL = 200;
const GAP = 10;
const TEXT = 50;
const TITLE = 34;

/** Samples of a split as training or evaluation reads them; unreadable ones are left out. */
export async function sheetPart(
  dataset: Dataset,
  processor: ImageProcessor | undefined,
  count: number,
  seed: number,
): Promise<SheetPart> {
  const indices = spread(
    Array.from({ length: dataset.length }, (_, i) => i),
    count,
  );
  const samples: Sample[] = [];
  for (const index of indices) {
    const sample = await dataset.get(index, Rng.of(seed, 'sample', 0, index)).catch((thrown: unknown) => {
      if (thrown instanceof DataError) return undefined; // counted elsewhere
      throw thrown;
    });
    if (sample) samples.push(sample);
  }
  const scaling = processor ? (processor.scaling ?? { mean: CLIP_MEAN, std: CLIP_STD }) : RAW;
  const cells = samples.map((sample) => ({
    picture: () => sideBySide(imagesOf(sample).map((image) => pictureOf(image, scaling))),
    text: String(sample.text_input ?? `id ${sample.image_id ?? sample.instance_id ?? ''}`),
  }));
  return { title: dataset.name, cells };
}

/** All pictures of a sample, [H, W, 3] each. */
const imagesOf = (sample: Sample): ImageArray[] =>
  Object.values(sample).filter(
    (value): value is ImageArray => isNumericArray(value) && value.shape.length === 3,
  );

/** Pictures of one size in a row. */
function sideBySide(pictures: readonly RgbImage[]): RgbImage {
  const [{ width, height }] = pictures;
  if (pictures.length === 1) return pictures[0];
  const data = new Uint8Array(3 * width * height * pictures.length);
  for (const [i, picture] of pictures.entries()) {
    for (let y = 0; y < height; y++) {
      const row = picture.data.subarray(3 * width * y, 3 * width * (y + 1));
      data.set(row, 3 * width * (pictures.length * y + i));
    }
  }
  return { data, width: width * pictures.length, height };
}

/** The pixels as they were before the normalisation. */
export function pictureOf({ data, shape }: ImageArray, { mean, std }: Scaling): RgbImage {
  const [height, width] = shape;
  const bytes = Uint8ClampedArray.from(data, (value, i) => 255 * (value * std[i % 3] + mean[i % 3]));
  return { data: new Uint8Array(bytes.buffer), width, height };
}

/** Draws the parts below each other, their texts under the pictures. @returns a PNG */
export async function sheetImage(parts: readonly SheetPart[]): Promise<Buffer> {
  const width = COLUMNS * (CELL + GAP) + GAP;
  const layers: OverlayOptions[] = [];
  const texts: string[] = [];
  let top = GAP;
  for (const { title, cells } of parts) {
    texts.push(`<text x="${GAP}" y="${top + 22}" font-size="18" font-weight="bold">${escaped(title)}</text>`);
    top += TITLE;
    for (const [i, { picture, text }] of cells.entries()) {
      const left = GAP + (i % COLUMNS) * (CELL + GAP);
      const y = top + Math.floor(i / COLUMNS) * (CELL + TEXT);
      layers.push({ input: await thumbnail(await picture()), left, top: y });
      wrapped(text, 32, 3).forEach((line, row) => {
        texts.push(
          `<text x="${left}" y="${y + CELL + 14 + row * 13}" font-size="12">${escaped(line)}</text>`,
        );
      });
    }
    top += Math.ceil(cells.length / COLUMNS) * (CELL + TEXT);
  }
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${top}" font-family="sans-serif">${texts.join('')}</svg>`;
  // A machine without fonts.conf is told so by the library that looks for fonts.
  return quietlyUntilDone(() =>
    sharp({ create: { width, height: top, channels: 3, background: '#e8ebee' } })
      .composite([...layers, { input: Buffer.from(svg), left: 0, top: 0 }])
      .removeAlpha()
      .png()
      .toBuffer(),
  );
}

/** Writes a sheet. @throws DataError where it cannot be written. */
export async function drawSheet(parts: readonly SheetPart[], path: string): Promise<void> {
  await writeFileAtomic(path, await sheetImage(parts)).catch((thrown: unknown) => {
    throw new DataError('the contact sheet cannot be written', {
      where: path,
      found: thrown instanceof DataError ? thrown.details.found : messageOf(thrown),
      help: '--sheet FILE draws it in another place',
      cause: thrown,
    });
  });
}

/** A picture as a PNG of the cell's size. */
function thumbnail({ data, width, height }: RgbImage): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .resize(CELL, CELL, { fit: 'contain', background: '#ddd', kernel: width < CELL ? 'nearest' : 'lanczos3' })
    .png()
    .toBuffer();
}

/** Lines of at most so many characters; the last one ends in an ellipsis where there is more. */
function wrapped(text: string, columns: number, most: number): string[] {
  const lines: string[] = [''];
  for (const word of text.split(/\s+/)) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (longer.length <= columns || lines.at(-1) === '') lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.length <= most ? lines : [...lines.slice(0, most - 1), `${lines[most - 1]} …`];
}

/** Without control characters, which XML has no place for. */
const escaped = (text: string) =>
  text.replace(/\p{C}/gu, ' ').replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
