/**
 * What TensorFlow.js's core leaves to the union package `@tensorflow/tfjs` in Node: the gradients of its kernels and
 * `x.mul(y)` for `tf.mul(x, y)`. They come as modules for bundlers, which Node cannot read: scripts/build_tfjs.mjs bundles
 * this file. They register themselves with the core that is there, whose registries belong to the process.
 */
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js';
