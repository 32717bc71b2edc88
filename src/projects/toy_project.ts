import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../common/paths.js';
import { captionsOf, drawScene, scenesOf } from '../datasets/index.js';

/** Enough to see it run; far from enough to learn from. */
const PICTURES = 48;

/** Writes run.yaml, captions.csv and images/ with drawn pictures into a folder. @returns how many pictures */
export async function writeToyProject(folder: string): Promise<number> {
  await mkdir(join(folder, 'images'), { recursive: true });
  await writeFile(join(folder, 'captions.csv'), await drawPictures(join(folder, 'images')));
  const run = await readFile(join(packageRoot, 'configs', 'init', 'toy.yaml'), 'utf8');
  // The schema does not come along.
  await writeFile(join(folder, 'run.yaml'), run.replace(/^# yaml-language-server:.*\n/m, ''));
  return PICTURES;
}

/** Draws the pictures. @returns the captions as CSV. */
async function drawPictures(folder: string): Promise<string> {
  const scenes = scenesOf('train', { seed: 7, train: PICTURES, val: 0, test: 0, imageSize: 96 });
  const rows = scenes.map(async (scene, i) => {
    const name = `scene_${String(i + 1).padStart(2, '0')}.jpg`;
    await drawScene(scene, 96, join(folder, name));
    const captions = captionsOf(scene).slice(0, 2);
    return captions.map((caption) => `${name},${caption}\n`).join('');
  });
  return `image,caption\n${(await Promise.all(rows)).join('')}`;
}
