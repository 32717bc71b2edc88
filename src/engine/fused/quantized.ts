/**
 * Linear layers with 8-bit weights, for inference. Each row of the input gets a scale of its own, so that a row's
 * result does not depend on what else is in the batch: y = (q(x) q(W)ᵀ) · s(x) · s(W) + b, summed in 32-bit integers.
 */
import { EngineError } from '../../common/errors.js';
import { tf } from '../tf.js';
import { peek } from '../tfjs_internals.js';
import { hasIntegerDotProducts, int8Columns, int8Scales } from './int8.js';
import { hasKernel, runKernel } from './run.js';

export const QUANTIZED_KERNEL = 'LavisQuantizedLinear';

/** The weight [O, I] of a linear layer in 8 bits. */
export interface QuantizedWeight {
  /** Unlike any other's. */
  readonly id: number;
  readonly inputs: number;
  readonly outputs: number;
  /** [I, O] */
  readonly columns: Int8Array;
  /** [O] */
  readonly scales: Float32Array;
}

/**
 * Without integer dot products ONNX Runtime adds pairs of products in 16 bits, which 8-bit weights would overflow:
 * 255 · 127 · 2 > 32767. With 7 bits nothing is lost but precision.
 */
const SEVEN_BITS = 63;

let made = 0;

/**
 * Rounds a weight [O, I] to 8 bits.
 * @throws EngineError on a device that has no such products
 */
export function quantizeWeight(weight: tf.Tensor): QuantizedWeight {
  if (!hasKernel(QUANTIZED_KERNEL)) {
    throw new EngineError('8-bit weights need the CPU engine', {
      found: tf.getBackend(),
      help: 'run.device=cpu, or no quantization',
    });
  }
  const [outputs, inputs] = weight.shape;
  const values = peek(weight) as Float32Array;
  const largest = hasIntegerDotProducts() ? undefined : SEVEN_BITS;
  const scales = int8Scales(values, outputs, inputs, largest);
  return { id: made++, inputs, outputs, columns: int8Columns(values, outputs, inputs, scales), scales };
}

/** @param x [..., I] @param bias [O] @returns [..., O]; no gradient */
export const quantizedLinear = (x: tf.Tensor, weight: QuantizedWeight, bias: tf.Tensor): tf.Tensor =>
  runKernel(QUANTIZED_KERNEL, { x, bias }, { weight });
