import { tf } from '../tf.js';
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
}

/** One AdamW update of one parameter, in place, as PyTorch's: param, expAvg and expAvgSq change. */
export function adamwUpdate({ param, grad, expAvg, expAvgSq, ...options }: AdamWUpdate): void {
  const { lr, beta1, beta2, eps, weightDecay, step } = options;
  const stepSize = lr / (1 - beta1 ** step);
  const rootCorrection = Math.sqrt(1 - beta2 ** step);
  if (hasKernel('LavisAdamW')) {
    const attrs = { beta1, beta2, eps, stepSize, rootCorrection, shrink: 1 - lr * weightDecay };
    runKernels('LavisAdamW', { param, grad, expAvg, expAvgSq }, attrs);
    return;
  }
  tf.tidy(() => {
    expAvg.assign(expAvg.mul(beta1).add(grad.mul(1 - beta1)));
    expAvgSq.assign(expAvgSq.mul(beta2).add(grad.square().mul(1 - beta2)));
    const denominator = expAvgSq.sqrt().div(rootCorrection).add(eps);
    param.assign(param.mul(1 - lr * weightDecay).sub(expAvg.div(denominator).mul(stepSize)));
  });
}
