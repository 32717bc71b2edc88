import { tf } from '../tf.js';
import { OnnxBackend } from './backend.js';
import { registerAdamW } from './fused/adamw.js';
import { registerAttention } from './fused/attention.js';
import { registerCrossEntropy } from './fused/cross_entropy.js';
import { registerDropout, registerGelu, registerInPlace } from './fused/elementwise.js';
import { registerLayerNorm } from './fused/layer_norm.js';
import { registerLinear, registerLinearParts } from './fused/linear.js';
import { registerPostNorm } from './fused/post_norm.js';
import { registerQuantizedLinear } from './fused/quantized.js';
import { registerSumOfSquares } from './fused/sum_of_squares.js';
import { registerElementwise } from './kernels/elementwise.js';
import { registerMatMul } from './kernels/matmul.js';
import { registerReduce } from './kernels/reduce.js';
import { registerShape } from './kernels/shape.js';
import { BACKEND, copyCpuKernels } from './override.js';

/**
 * Registers the backend with all its kernels, or changes the threads of the one that is there.
 * @throws where ONNX Runtime cannot be loaded
 */
export function registerOnnxBackend(threads: number): string {
  const existing = tf.findBackend(BACKEND) as OnnxBackend | undefined;
  if (existing) {
    existing.useThreads(threads);
    return BACKEND;
  }
  const backend = new OnnxBackend(threads);
  tf.registerBackend(BACKEND, () => backend);
  copyCpuKernels();
  registerElementwise();
  registerMatMul();
  registerReduce();
  registerShape();
  registerLinear();
  registerLinearParts();
  registerQuantizedLinear();
  registerLayerNorm();
  registerGelu();
  registerDropout();
  registerAttention();
  registerPostNorm();
  registerCrossEntropy();
  registerAdamW();
  registerInPlace();
  registerSumOfSquares();
  return BACKEND;
}
