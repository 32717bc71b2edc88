import type { WordLook } from '../models/index.js';
import type { RgbImage } from '../processors/index.js';
import type { SheetCell } from './data_survey/contact_sheet.js';

/** What is left of the light where a word did not look. */
const DARKEST = 0.3;

/** The picture once for each word, bright where the model looked for it. */
export const lookCells = (picture: RgbImage, looks: readonly WordLook[]): SheetCell[] =>
  looks.map((look) => ({ picture: () => lit(picture, look), text: look.word }));

/** Light goes by a patch's share of the most looked at one, from patch to patch without steps. */
function lit({ data, width, height }: RgbImage, { weights, rows, columns }: WordLook): RgbImage {
  const most = weights.reduce((a, b) => Math.max(a, b), 0) || 1;
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    const [top, bottom, down] = between(((y + 0.5) / height) * rows - 0.5, rows);
    for (let x = 0; x < width; x++) {
      const [left, right, along] = between(((x + 0.5) / width) * columns - 0.5, columns);
      const above = mix(weights[top * columns + left], weights[top * columns + right], along);
      const below = mix(weights[bottom * columns + left], weights[bottom * columns + right], along);
      const light = mix(DARKEST, 1, mix(above, below, down) / most);
      for (let channel = 0; channel < 3; channel++) {
        const at = 3 * (y * width + x) + channel;
        out[at] = data[at] * light;
      }
    }
  }
  return { data: out, width, height };
}

/** The whole numbers around a place, within 0 and `count` - 1, and how far it is on the way from one to the other. */
function between(place: number, count: number): [number, number, number] {
  const low = Math.min(Math.max(Math.floor(place), 0), count - 1);
  const high = Math.min(low + 1, count - 1);
  return [low, high, Math.min(Math.max(place - low, 0), 1)];
}

const mix = (a: number, b: number, share: number) => a + (b - a) * share;
