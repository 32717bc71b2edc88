/**
 * The one import of TensorFlow.js. Of its parts the core, and the kernels of its own `cpu` backend, which our engines fall
 * back on; layers, data and converters are not used. Whoever imports `@tensorflow/tfjs` beside it gets the same core.
 */
import * as tf from '@tensorflow/tfjs-core';
import './tfjs_parts.js';

export { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
export { tf };
