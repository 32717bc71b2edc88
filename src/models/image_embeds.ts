import { createHash, type Hash } from 'node:crypto';
import { ConfigError } from '../common/errors.js';
import type { Rng } from '../common/random.js';
import { noGrad, tf } from '../engine/index.js';
import type { ImageEncoding, Model } from './model.js';
import type { VisionTransformer } from './vit.js';

/** Images, or what the image encoder made of them: embeddings that were remembered stand in for pixels. */
export interface SeenImages {
  /** [B, H, W, 3], normalised. */
  image?: tf.Tensor4D;
  /** [B, N, D] */
  image_embeds?: tf.Tensor3D;
}

/** And a text about each. */
export interface SeenSamples extends SeenImages {
  text_input?: readonly string[];
}

/** And what each text begins with. */
export interface PromptedSamples extends SeenSamples {
  /** Null where it is the model's own prompt, as it is for all where there are none. */
  prompt?: readonly (string | null)[];
}

/** @returns [B, N, D]: `image_embeds`, the caller's own tensor, or else what the encoder makes of `image` */
export const embedsOf = (encoder: VisionTransformer, seen: SeenImages, noise?: Rng): tf.Tensor3D =>
  seen.image_embeds ?? encoder.forward(seenImages(seen) as tf.Tensor4D, noise);

/** What there is of the images: their number is the length of the first axis. @throws RangeError for nothing */
export function seenImages({ image, image_embeds }: SeenImages): tf.Tensor {
  const images = image_embeds ?? image;
  if (!images) throw new RangeError('samples have image, or image_embeds');
  return images;
}

/** Why a model has no `imageEncoding`: it reads pixels with a second encoder. @param help what changes that */
export const readsPixelsTwice = (model: Model, help?: string): ConfigError =>
  new ConfigError('the embeddings of images cannot be remembered: the pixels are read by a second encoder', {
    where: 'run.cache_image_embeds',
    found: `${model.constructor.name} with momentum copies, of which visual_encoder_m reads every image too`,
    help,
  });

/** What a model says of its `visual_encoder` where nothing else in it reads pixels. */
export function imageEncodingOf(encoder: VisionTransformer): ImageEncoding {
  const { imageSize, patchSize, width, heads, layerNormEps } = encoder.config;
  return {
    part: 'visual_encoder',
    shape: [(imageSize / patchSize) ** 2 + 1, width],
    isFrozen: encoder.namedParameters().size === 0 && encoder.isStill,
    encode: (image) => noGrad(() => tf.tidy(() => encoder.forward(image))),
    async digest() {
      const hash = createHash('sha256').update(`vit ${heads} heads, eps ${layerNormEps} `);
      await hashTensors(hash, encoder.stateDict());
      return hash.digest('hex');
    },
  };
}

/** Takes names, shapes and numbers into a hash. */
export async function hashTensors(
  hash: Hash,
  tensors: Iterable<readonly [string, tf.Tensor]>,
): Promise<void> {
  for (const [name, tensor] of tensors) {
    const { buffer, byteOffset, byteLength } = await tensor.data();
    hash.update(`${name} ${tensor.shape} `).update(new Uint8Array(buffer, byteOffset, byteLength));
  }
}
