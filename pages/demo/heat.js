// What a word looked at, as a map over the picture.

import { at } from './dom.js';

export function clearHeat() {
  const canvas = at('heat');
  canvas.getContext('2d').clearRect(0, 0, canvas.width, canvas.height);
  canvas.classList.remove('on');
}

/** @param map rows of shares, each 0 or more: how much was looked at each part of the picture */
export function drawHeat(map) {
  const [height, width] = [map.length, map[0].length];
  const most = Math.max(...map.flat(), Number.MIN_VALUE);
  const pixels = new ImageData(width, height);
  for (const [y, row] of map.entries()) {
    for (const [x, share] of row.entries()) {
      const part = share / most;
      // dark where it did not look, a warm light where it did
      const light = part ** 0.8;
      const alpha = 0.62 * (1 - light) + 0.38 * light;
      pixels.data.set(
        [255 * light, 196 * light, 40 * light, 255 * alpha].map(Math.round),
        4 * (y * width + x),
      );
    }
  }
  const small = new OffscreenCanvas(width, height);
  small.getContext('2d').putImageData(pixels, 0, 0);
  const canvas = at('heat');
  const { clientWidth, clientHeight } = at('shown');
  canvas.width = clientWidth;
  canvas.height = clientHeight;
  const context = canvas.getContext('2d');
  context.imageSmoothingQuality = 'high';
  context.drawImage(small, 0, 0, clientWidth, clientHeight);
  canvas.classList.add('on');
}
