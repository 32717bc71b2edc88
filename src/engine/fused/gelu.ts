import type { tf } from '../tf.js';
import { isTaping } from '../tfjs_internals.js';
import { multiplyInto } from './elementwise.js';
import { activeHalves, packHalf, unpackHalf } from './half.js';
import { fused, runKernel, runKernels } from './run.js';

/** x Φ(x), exact (with the error function). */
export function gelu(x: tf.Tensor): tf.Tensor {
  const needsSlope = isTaping();
  return fused({
    kernel: 'LavisGelu',
    inputs: { x },
    forward(save) {
      if (!needsSlope) return runKernel('LavisGelu', { x });
      // The slope costs little beside the value, takes no more memory than x, and spares a second error function.
      const [y, slope] = runKernels('LavisGeluAndSlope', { x });
      if (activeHalves()) {
        save(packHalf(slope));
        slope.dispose();
      } else save(slope);
      return y;
    },
    backward: (dy, [slope]) => ({
      x: () => multiplyInto(slope.dtype === 'int32' ? unpackHalf(slope, x.shape) : slope, dy),
    }),
    composition: () => x.mul(x.mul(Math.SQRT1_2).erf().add(1).mul(0.5)),
  });
}
