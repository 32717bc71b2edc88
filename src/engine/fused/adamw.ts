import { tf } from '../tf.js';
import { isHostMemory, peek } from '../tfjs_internals.js';
import { hasKernel, runKernels } from './run.js';

export interface AdamWUpdate {
  param: tf.Variable;
  grad: tf.Tensor;
  /** Running mean of the gradient. */
  expAvg: tf.Variable;
  /** Running mean of its square. */
  expAvgSq: tf.Variable;
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
  /** Decoupled: the parameter shrinks by lr * weightDecay. */
  weightDecay: number;
  /** 1 for the first update. */
  step: number;
  /** What the gradient is multiplied by, 1 by default; where it is 0, nothing changes. */
  factor?: tf.Scalar;
}

/** What the kernel of an update is given. */
export interface AdamWAttrs {
  beta1: number;
  beta2: number;
  eps: number;
  /** lr / (1 - beta1 ** step) */
  stepSize: number;
  /** sqrt(1 - beta2 ** step) */
  rootCorrection: number;
  /** 1 - lr * weightDecay */
  shrink: number;
}

/** One AdamW update of one parameter, in place, as PyTorch's: param, expAvg and expAvgSq change. */
export function adamwUpdate({ param, grad, expAvg, expAvgSq, factor, ...options }: AdamWUpdate): void {
  if (factor && isHostMemory()) {
    const [number] = peek(factor);
    if (number === 0) return;
    const scaled = grad.mul(number);
    adamwUpdate({ param, grad: scaled, expAvg, expAvgSq, ...options });
    scaled.dispose();
    return;
  }
  const { lr, beta1, beta2, eps, weightDecay, step } = options;
  const stepSize = lr / (1 - beta1 ** step);
  const rootCorrection = Math.sqrt(1 - beta2 ** step);
  if (hasKernel('LavisAdamW')) {
    const attrs: AdamWAttrs = { beta1, beta2, eps, stepSize, rootCorrection, shrink: 1 - lr * weightDecay };
    runKernels('LavisAdamW', { param, grad, expAvg, expAvgSq, factor }, attrs);
    return;
  }
  tf.tidy(() => {
    const goes = factor?.greater(0);
    const assign = (variable: tf.Variable, next: tf.Tensor) =>
      variable.assign(goes ? tf.where(goes, next, variable) : next);
    const scaled = factor ? grad.mul(factor) : grad;
    assign(expAvg, expAvg.mul(beta1).add(scaled.mul(1 - beta1)));
    assign(expAvgSq, expAvgSq.mul(beta2).add(scaled.square().mul(1 - beta2)));
    const denominator = expAvgSq.sqrt().div(rootCorrection).add(eps);
    assign(param, param.mul(1 - lr * weightDecay).sub(expAvg.div(denominator).mul(stepSize)));
  });
}
