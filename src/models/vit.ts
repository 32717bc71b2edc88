import { DataError } from '../common/errors.js';
import type { Rng } from '../common/random.js';
import { attention, linear, residual, tf } from '../engine/index.js';
import {
  dropPathIn,
  type Initializer,
  LayerNorm,
  Linear,
  Mlp,
  Module,
  runBlock,
  truncatedNormal,
  uniformFanIn,
} from '../nn/index.js';

export interface VitConfig {
  /** Width and height in pixels, a multiple of patchSize. */
  imageSize: number;
  patchSize: number;
  /** D, a multiple of heads. */
  width: number;
  depth: number;
  heads: number;
  /** Stochastic depth of the last block; the blocks before grow towards it linearly. */
  dropPathRate: number;
  /** How many of the last blocks keep only their input for the backward pass. */
  recomputedBlocks: number;
  /** Added to the variance under every layer norm's root: 1e-6, as timm has it, or what other code trained with. */
  layerNormEps: number;
  /** Spread of the first weights; 0.02 by default. */
  initializerRange?: number;
  /** Whether the position embedding starts from sines and cosines of row and column instead of at random. */
  sinCosPositions?: boolean;
}

const initOf = ({ initializerRange = 0.02 }: VitConfig) => truncatedNormal(initializerRange);

/**
 * Places start well apart and neighbours alike, so that little training finds out where things are: each half
 * of the width has sines and cosines of one coordinate, of wavelengths from two patches to two images. After
 * arXiv:2111.06377, appendix A.1, whose longest waves a small grid cannot tell from constants.
 */
const sinCosOfGrid =
  (side: number, width: number): Initializer =>
  (values) => {
    const quarter = Math.floor(width / 4);
    for (let patch = 0; patch < side * side; patch++) {
      for (const [half, at] of [Math.floor(patch / side), patch % side].entries()) {
        const start = (1 + patch) * width + half * 2 * quarter;
        for (let i = 0; i < quarter; i++) {
          const angle = (Math.PI * at) / side ** (i / quarter);
          values[start + i] = Math.sin(angle);
          values[start + quarter + i] = Math.cos(angle);
        }
      }
    }
  };

/** Cuts an image into patches and projects each: a convolution of stride = kernel = patch. */
class PatchEmbed extends Module {
  readonly proj: PatchProjection;

  constructor(readonly config: VitConfig) {
    super();
    this.proj = this.child('proj', new PatchProjection(config.patchSize, config.width));
  }

  /** @param image [B, H, W, 3]; returns [B, patches, D]. */
  forward(image: tf.Tensor4D): tf.Tensor {
    const { imageSize, patchSize: p } = this.config;
    const [batch, height, width, channels] = image.shape;
    if (height !== imageSize || width !== imageSize || channels !== 3) {
      throw new DataError("the image does not have the model's size", {
        found: `[B, H, W, C] = [${image.shape}]`,
        allowed: `[B, ${imageSize}, ${imageSize}, 3]`,
        help: 'give the image processor the image_size of the model',
      });
    }
    const side = imageSize / p;
    // The weight's order within a patch is (channel, row, column).
    const patches = image
      .reshape([batch, side, p, side, p, 3])
      .transpose([0, 1, 3, 5, 2, 4])
      .reshape([batch, side * side, 3 * p * p]);
    return this.proj.forward(patches);
  }
}

/** weight [D, 3, p, p], as the convolution's. */
class PatchProjection extends Module {
  readonly weight: tf.Variable;
  readonly bias: tf.Variable;

  constructor(patchSize: number, width: number) {
    super();
    const fanIn = 3 * patchSize * patchSize;
    this.weight = this.parameter('weight', [width, 3, patchSize, patchSize], uniformFanIn(fanIn));
    this.bias = this.parameter('bias', [width], uniformFanIn(fanIn));
  }

  /** @param patches [B, N, 3·p·p]; returns [B, N, D]. */
  forward(patches: tf.Tensor): tf.Tensor {
    return linear(patches, this.weight.reshape([this.bias.size, -1]), this.bias);
  }
}

class VitAttention extends Module {
  readonly qkv: Linear;
  readonly proj: Linear;

  readonly heads: number;

  constructor(config: VitConfig) {
    super();
    const { width } = config;
    const init = initOf(config);
    this.heads = config.heads;
    this.qkv = this.child('qkv', new Linear(width, 3 * width, init));
    this.proj = this.child('proj', new Linear(width, width, init));
  }

  /** @param x [B, N, D] */
  forward(x: tf.Tensor, rng?: Rng): tf.Tensor {
    const [query, key, value] = this.qkv.forwardParts(x, 3, rng); // [B, N, D] each
    return this.proj.forward(attention(query, key, value, { numHeads: this.heads }), rng);
  }
}

/** x + attention(norm(x)), then x + mlp(norm(x)). */
class VitBlock extends Module {
  readonly norm1: LayerNorm;
  readonly attn: VitAttention;
  readonly norm2: LayerNorm;
  readonly mlp: Mlp;

  constructor(
    config: VitConfig,
    readonly dropPathRate: number,
  ) {
    super();
    const { width, layerNormEps } = config;
    this.norm1 = this.child('norm1', new LayerNorm(width, layerNormEps));
    this.attn = this.child('attn', new VitAttention(config));
    this.norm2 = this.child('norm2', new LayerNorm(width, layerNormEps));
    this.mlp = this.child('mlp', new Mlp(width, 4 * width, initOf(config)));
  }

  /** @param x [B, N, D] */
  forward(x: tf.Tensor, rng?: Rng): tf.Tensor {
    const attended = residual(
      x,
      dropPathIn(rng, this.attn.forward(this.norm1.forward(x), rng), this.dropPathRate),
    );
    return residual(
      attended,
      dropPathIn(rng, this.mlp.forward(this.norm2.forward(attended), rng), this.dropPathRate),
    );
  }
}

/** The vision transformer of BLIP. Source: arXiv:2010.11929; lavis/models/vit.py. */
export class VisionTransformer extends Module {
  readonly clsToken: tf.Variable;
  readonly posEmbed: tf.Variable;
  readonly patchEmbed: PatchEmbed;
  readonly blocks: VitBlock[];
  readonly norm: LayerNorm;

  constructor(readonly config: VitConfig) {
    super();
    const { imageSize, patchSize, width, depth, dropPathRate, layerNormEps } = config;
    const patches = (imageSize / patchSize) ** 2;
    const init = initOf(config);
    this.clsToken = this.parameter('cls_token', [1, 1, width], init);
    const positions = config.sinCosPositions ? sinCosOfGrid(imageSize / patchSize, width) : init;
    this.posEmbed = this.parameter('pos_embed', [1, 1 + patches, width], positions);
    this.patchEmbed = this.child('patch_embed', new PatchEmbed(config));
    const rate = (i: number) => (depth > 1 ? (dropPathRate * i) / (depth - 1) : 0);
    const blocks = Array.from({ length: depth }, (_, i) => new VitBlock(config, rate(i)));
    this.blocks = this.childList('blocks', blocks);
    this.norm = this.child('norm', new LayerNorm(width, layerNormEps));
  }

  /**
   * @param image [B, H, W, 3], normalised
   * @param rng in training, for stochastic depth
   * @returns [B, N, D], the class token first
   * @throws DataError when the image has another size.
   */
  forward(image: tf.Tensor4D, rng?: Rng): tf.Tensor3D {
    const { width, depth, recomputedBlocks } = this.config;
    const cls = this.clsToken.tile([image.shape[0], 1, 1]); // [B, 1, D]
    let x = tf.concat([cls, this.patchEmbed.forward(image)], 1).add(this.posEmbed); // [B, N, D]
    this.blocks.forEach((block, i) => {
      x = runBlock(block, x, rng, rng && i >= depth - recomputedBlocks ? 'input' : 'saved');
    });
    return this.norm.forward(x).reshape([image.shape[0], -1, width]);
  }
}
