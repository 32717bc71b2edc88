/** The one import of TensorFlow.js: in Node its CommonJS build, with all gradients and chained operations. */
import * as tf from '@tensorflow/tfjs';

export { tf };
