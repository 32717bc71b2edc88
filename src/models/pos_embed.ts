import { CheckpointError } from '../common/errors.js';
import { type HostTensor, toFloat32 } from '../common/host_tensor.js';

/** PyTorch's bicubic coefficient. */
const A = -0.75;

/**
 * Position embeddings for another image size: the class token as it is, the grid of patches interpolated.
 * The same tensor where the size is the same.
 * @param posEmbed [1, 1 + side², D]
 * @param tokens 1 + side² wanted
 * @throws CheckpointError when a number of patches is not a square.
 * Source: lavis/models/vit.py, interpolate_pos_embed; bicubic, align_corners=False.
 */
export function interpolatePosEmbed(posEmbed: HostTensor, tokens: number): HostTensor {
  const [, given, width] = posEmbed.shape;
  if (given === tokens) return posEmbed;
  const from = sideOf(given);
  const to = sideOf(tokens);
  const values = toFloat32(posEmbed);
  const result = new Float32Array(tokens * width);
  result.set(values.subarray(0, width));
  const grid = values.subarray(width);
  const rows = resizeAxis(grid, { outer: 1, from, to, inner: from * width });
  const both = resizeAxis(rows, { outer: to, from, to, inner: width });
  result.set(both, width);
  return { dtype: 'float32', shape: [1, tokens, width], data: result };
}

function sideOf(tokens: number): number {
  const side = Math.sqrt(tokens - 1);
  if (Number.isInteger(side)) return side;
  throw new CheckpointError('the position embeddings are not those of a square image', {
    found: `${tokens} tokens`,
    allowed: 'a class token and side × side patches',
  });
}

interface Axis {
  outer: number;
  from: number;
  to: number;
  inner: number;
}

/** Resizes the middle axis of [outer, from, inner]; float64 in, so that one rounding is left. */
function resizeAxis(values: ArrayLike<number>, { outer, from, to, inner }: Axis): Float64Array {
  const result = new Float64Array(outer * to * inner);
  for (let target = 0; target < to; target++) {
    const centre = ((target + 0.5) * from) / to - 0.5;
    const first = Math.floor(centre);
    const weights = cubicWeights(centre - first);
    weights.forEach((weight, tap) => {
      const source = Math.min(Math.max(first - 1 + tap, 0), from - 1);
      for (let o = 0; o < outer; o++) {
        const read = (o * from + source) * inner;
        const write = (o * to + target) * inner;
        for (let i = 0; i < inner; i++) result[write + i] += weight * values[read + i];
      }
    });
  }
  return result;
}

/** The weights of the four neighbours of a point, `t` past the second of them. */
function cubicWeights(t: number): number[] {
  const near = (x: number) => ((A + 2) * x - (A + 3)) * x * x + 1;
  const far = (x: number) => ((A * x - 5 * A) * x + 8 * A) * x - 4 * A;
  return [far(t + 1), near(t), near(1 - t), far(2 - t)];
}
