import { registerAdamW } from './adamw.js';
import { registerAttention } from './attention.js';
import { registerCrossEntropy } from './cross_entropy.js';
import { registerDropout } from './dropout.js';
import { registerGelu } from './gelu.js';
import { registerSumOfSquares, registerUpdateFactor } from './gradient_norm.js';
import { registerHalf } from './half.js';
import { registerInPlace } from './in_place.js';
import { registerLayerNorm } from './layer_norm.js';
import { registerLinear } from './linear.js';

/** The fused operations as shaders. */
export function registerFused(): void {
  registerLinear();
  registerLayerNorm();
  registerGelu();
  registerDropout();
  registerAttention();
  registerCrossEntropy();
  registerAdamW();
  registerInPlace();
  registerHalf();
  registerSumOfSquares();
  registerUpdateFactor();
}
