import type { Rng } from '../common/random.js';
import type { Box } from './rgb_image.js';
import { roundHalfEven } from './warp_affine.js';

/** Aspect ratios (width / height) of a training crop. */
const RATIO = { low: 3 / 4, high: 4 / 3 };
const ATTEMPTS = 10;

/**
 * A random part of the image: its share of the area is uniform in [minScale, maxScale], the logarithm of
 * its aspect ratio uniform too. After ten boxes that do not fit, takes the largest central one within the ratio bounds.
 * Source: torchvision's RandomResizedCrop.
 */
export function randomCrop(width: number, height: number, minScale: number, maxScale: number, rng: Rng): Box {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const area = width * height * rng.uniform(minScale, maxScale);
    const ratio = Math.exp(rng.uniform(Math.log(RATIO.low), Math.log(RATIO.high)));
    const w = roundHalfEven(Math.sqrt(area * ratio));
    const h = roundHalfEven(Math.sqrt(area / ratio));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      return { y: rng.int(height - h + 1), x: rng.int(width - w + 1), width: w, height: h };
    }
  }
  return centralCrop(width, height);
}

function centralCrop(width: number, height: number): Box {
  const ratio = width / height;
  const w = ratio > RATIO.high ? roundHalfEven(height * RATIO.high) : width;
  const h = ratio < RATIO.low ? roundHalfEven(width / RATIO.low) : height;
  return { x: Math.floor((width - w) / 2), y: Math.floor((height - h) / 2), width: w, height: h };
}
