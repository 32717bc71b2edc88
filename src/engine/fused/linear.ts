import { takesGradient } from '../tape.js';
import { tf } from '../tf.js';
import { recordOperations } from '../tfjs_internals.js';
import { activeHalves, matMulHalf, packHalf } from './half.js';
import { fused, hasKernel, runKernel, runKernels } from './run.js';

/**
 * x Wᵀ + b, as PyTorch's Linear lays its weight out.
 * @param x [..., I]
 * @param weight [O, I]
 * @param bias [O]
 * @returns [..., O]
 */
export function linear(x: tf.Tensor, weight: tf.Tensor, bias?: tf.Tensor): tf.Tensor {
  const [outputs, inputs] = weight.shape;
  if (x.shape.at(-1) !== inputs) {
    throw new RangeError(`linear: the input is [${x.shape}], the weight [${weight.shape}]`);
  }
  const halves = inputs % 2 === 0 && outputs % 2 === 0 ? activeHalves() : undefined;
  return fused({
    kernel: 'LavisLinear',
    inputs: { x, weight, bias },
    forward(save) {
      if (halves) {
        const half = halves.of(x);
        save(weight, ...(takesGradient(weight) ? [half] : []));
        return linearHalf(half, x.shape, weight, bias);
      }
      save(weight, ...(takesGradient(weight) ? [x] : []));
      return runKernel('LavisLinear', { x, weight, bias });
    },
    // A frozen weight's gradient is not asked for, and the input that it is made of not kept.
    backward(dy, [savedWeight, savedX]) {
      const rows = dy.reshape([-1, outputs]); // [N, O]
      if (halves) return halfGradients(rows, savedX, savedWeight, x.shape);
      return {
        x: () => tf.matMul(rows, savedWeight as tf.Tensor2D).reshape(x.shape),
        weight: () => tf.matMul(rows, savedX.reshape([-1, inputs]), true, false),
        bias: () => rows.sum(0),
      };
    },
    composition() {
      const product = tf.matMul(x.reshape([-1, inputs]), weight as tf.Tensor2D, false, true);
      return (bias ? product.add(bias) : product).reshape([...x.shape.slice(0, -1), outputs]);
    },
  });
}

/** @param half x in float16 */
function linearHalf(half: tf.Tensor, shape: number[], weight: tf.Tensor, bias?: tf.Tensor): tf.Tensor {
  const [outputs, inputs] = weight.shape;
  const rows = tf.util.sizeFromShape(shape) / inputs;
  return tf.tidy(() =>
    matMulHalf(
      half,
      packHalf(weight),
      { rows, columns: outputs, depth: inputs, transposeB: true },
      bias,
    ).reshape([...shape.slice(0, -1), outputs]),
  );
}

/** @param dy [N, O] @param half x in float16 */
function halfGradients(dy: tf.Tensor, half: tf.Tensor | undefined, weight: tf.Tensor, shape: number[]) {
  const [outputs, inputs] = weight.shape;
  const rows = dy.shape[0];
  const dyHalf = packHalf(dy);
  return {
    x: () => matMulHalf(dyHalf, packHalf(weight), { rows, columns: inputs, depth: outputs }).reshape(shape),
    weight: () =>
      matMulHalf(dyHalf, half!, { rows: outputs, columns: inputs, depth: rows, transposeA: true }),
    bias: () => dy.sum(0),
  };
}

/**
 * `linear` whose result is cut along its last axis: the query, key and value of one weight, each a tensor of
 * its own without a copy.
 * @param x [..., I]
 * @param weight [parts * O, I]
 * @param bias [parts * O]
 * @returns `parts` tensors [..., O]
 */
export function linearParts(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor, parts: number): tf.Tensor[] {
  if (!hasKernel('LavisLinearParts')) return tf.split(linear(x, weight, bias), parts, -1);
  const [outputs, inputs] = weight.shape;
  return recordOperations({
    inputs: { x, weight, bias },
    forwardFunc: (_backend, save) => {
      save([weight, ...(takesGradient(weight) ? [x] : [])]);
      return runKernels('LavisLinearParts', { x, weight, bias }, { parts });
    },
    backwardsFunc: (dys, [savedWeight, savedX]) => {
      const rows = tf.concat(dys, -1).reshape([-1, outputs]); // [N, parts * O]
      return {
        x: () => tf.matMul(rows, savedWeight as tf.Tensor2D).reshape(x.shape),
        weight: () => tf.matMul(rows, savedX.reshape([-1, inputs]), true, false),
        bias: () => rows.sum(0),
      };
    },
  });
}
