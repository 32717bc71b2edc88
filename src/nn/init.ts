import type { Rng } from '../common/random.js';
import { fillNormal } from './gaussian.js';

/** Fills a parameter's first values. */
export type Initializer = (values: Float32Array, rng: Rng) => void;

export const zeros: Initializer = () => {};

export const ones: Initializer = (values) => {
  values.fill(1);
};

/** The normal distribution of mean 0. */
export const normal =
  (std: number): Initializer =>
  (values, rng) =>
    fillNormal(values, std, rng);

/** timm's trunc_normal_: cut at ±2 (absolute, not standard deviations), which std 0.02 never reaches. */
export const truncatedNormal =
  (std: number): Initializer =>
  (values, rng) => {
    fillNormal(values, std, rng);
    for (let i = 0; i < values.length; i++) {
      while (Math.abs(values[i]) > 2) values[i] = std * rng.normal();
    }
  };

/** PyTorch's default for convolutions and their biases: ±1/√fanIn. */
export const uniformFanIn =
  (fanIn: number): Initializer =>
  (values, rng) => {
    const bound = 1 / Math.sqrt(fanIn);
    for (let i = 0; i < values.length; i++) values[i] = rng.uniform(-bound, bound);
  };
