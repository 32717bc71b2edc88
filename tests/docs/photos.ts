import { join } from 'node:path';
import sharp from 'sharp';

const COLOURS = ['red', 'green', 'blue', 'yellow'];
const SHAPES = ['circle', 'square', 'triangle'];

/** Small drawn pictures 0.jpg, 1.jpg, … and a caption for each, of words that the shapes vocabulary has. */
export async function drawPhotos(
  folder: string,
  count: number,
): Promise<{ file: string; name: string; caption: string }[]> {
  const drawn = Array.from({ length: count }, async (_, i) => {
    const colour = COLOURS[i % COLOURS.length];
    const name = `${i}.jpg`;
    const file = join(folder, name);
    await sharp({ create: { width: 60, height: 40, channels: 3, background: colour } })
      .jpeg()
      .toFile(file);
    return { file, name, caption: `a large ${colour} ${SHAPES[i % SHAPES.length]}` };
  });
  return Promise.all(drawn);
}
