import type { Rng } from '../common/random.js';

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

/** Where the tail begins. */
const EDGE = 3.442619855899;
/** The area of each of the 128 layers. */
const AREA = 9.91256303526217e-3;

interface Layers {
  /** Below it, a draw of 31 bits lies under the curve without a further look. */
  inside: Float64Array;
  /** What turns a draw of 31 bits into a number. */
  widths: Float64Array;
  heights: Float64Array;
}

let layers: Layers | undefined;

function makeLayers(): Layers {
  const [inside, widths, heights] = [new Float64Array(128), new Float64Array(128), new Float64Array(128)];
  const density = (x: number) => Math.exp(-0.5 * x * x);
  const base = AREA / density(EDGE);
  inside[0] = (EDGE / base) * 2 ** 31;
  widths[0] = base / 2 ** 31;
  heights[0] = 1;
  for (let i = 127, x = EDGE; i >= 1; i--) {
    widths[i] = x / 2 ** 31;
    heights[i] = density(x);
    const next = i > 1 ? Math.sqrt(-2 * Math.log(AREA / x + density(x))) : 0;
    inside[i] = (next / x) * 2 ** 31;
    x = next;
  }
  return { inside, widths, heights };
}

/**
 * Fills an array with draws from the normal distribution of mean 0. A model has hundreds of millions of
 * them: a generator of its own, seeded by `rng`, and no logarithm for most of them.
 * Source: Marsaglia and Tsang, "The Ziggurat Method for Generating Random Variables" (2000); sfc32.
 */
function fillNormal(values: Float32Array, std: number, rng: Rng): void {
  layers ??= makeLayers();
  const { inside, widths, heights } = layers;
  let [a, b, c, counter] = [rng.uint32() | 0, rng.uint32() | 0, rng.uint32() | 0, 1];
  const bits = () => {
    const sum = (a + b + counter++) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return sum;
  };
  const uniform = () => ((bits() >>> 0) + 0.5) / 2 ** 32;
  const draw = () => {
    for (;;) {
      const sample = bits();
      const layer = bits() & 127;
      if (Math.abs(sample) < inside[layer]) return sample * widths[layer];
      if (layer === 0) {
        for (;;) {
          const x = -Math.log(uniform()) / EDGE;
          if (-2 * Math.log(uniform()) >= x * x) return sample > 0 ? EDGE + x : -EDGE - x;
        }
      }
      const x = sample * widths[layer];
      const height = heights[layer] + uniform() * (heights[layer - 1] - heights[layer]);
      if (height < Math.exp(-0.5 * x * x)) return x;
    }
  };
  for (let i = 0; i < 16; i++) bits(); // mixes the seed in
  for (let i = 0; i < values.length; i++) values[i] = std * draw();
}
