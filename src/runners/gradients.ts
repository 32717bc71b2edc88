import { addInto, sumOfSquares, tf } from '../engine/index.js';

/** Gradients by parameter name. */
export type Gradients = Map<string, tf.Tensor>;

export function disposeGradients(grads: Gradients): void {
  for (const grad of grads.values()) grad.dispose();
  grads.clear();
}

/** Adds `grads`, times `scale`, to `sum` and takes them over. */
export function addGradients(sum: Gradients, grads: Gradients, scale = 1): void {
  for (const [name, grad] of grads) {
    const before = sum.get(name);
    if (!before && scale === 1) {
      sum.set(name, grad);
      continue;
    }
    sum.set(
      name,
      tf.tidy(() => {
        const scaled = scale === 1 ? grad : tf.mul(grad, scale);
        return before ? addInto(before, scaled) : scaled;
      }),
    );
    before?.dispose();
    grad.dispose();
  }
}

/** The L2 norm over all gradients together, as torch.nn.utils.clip_grad_norm_ measures it. */
export function gradientNorm(grads: Gradients): number {
  return Math.sqrt(sumOfSquares(grads.values()));
}

/** Scales gradients down to `maxNorm` where they exceed it. @param norm what `gradientNorm` gave */
export function clipGradients(grads: Gradients, norm: number, maxNorm: number): void {
  const factor = maxNorm / (norm + 1e-6);
  if (factor < 1) scaleGradients(grads, factor);
}

export function scaleGradients(grads: Gradients, factor: number): void {
  for (const [name, grad] of grads) {
    grads.set(name, tf.mul(grad, factor));
    grad.dispose();
  }
}
