import { splitHeads, tf, valueAndGrads } from '../../engine/index.js';
import { idsTensor } from '../med/encoder.js';
import { paddingMask } from '../med/masks.js';
import type { CaptionSamples } from '../model.js';
import { withFirstToken } from '../tokenizer/tokenizer.js';
import type { BlipImageTextMatching } from './blip_image_text_matching.js';
import { firstToken } from './contrastive.js';

/** Where in each image the words of its text are found; the caller owns all tensors. */
export interface Gradcam {
  /**
   * For each image [1 + T, side, side]: of [ENC], the mean over the text's words, then of every token after [ENC];
   * zero for padding.
   */
  maps: tf.Tensor3D[];
  /** [B, 2] */
  itmLogits: tf.Tensor2D;
}

/**
 * What a layer's cross-attention looks at where that speaks for a match: its probabilities times the positive part
 * of their gradient, the mean over its heads. Source: arXiv:2107.07651, appendix;
 * lavis/models/blip_models/blip_image_text_matching.py, compute_gradcam.
 * @param block the layer, counted from 0
 * @throws RangeError when there is no such layer.
 */
export function computeGradcam(
  model: BlipImageTextMatching,
  { image, text_input: texts = [] }: CaptionSamples,
  { block = 6 } = {},
): Gradcam {
  const { embeddings, encoder } = model.textEncoder;
  const { layers } = encoder;
  if (!layers[block])
    throw new RangeError(`computeGradcam: there are layers 0 to ${layers.length - 1}, not ${block}`);
  const text = model.readTexts(texts);
  const { inputIds, attentionMask } = withFirstToken(text, model.tokenizer.encId);
  return tf.tidy(() => {
    const states = model.visualEncoder.forward(image);
    const mask = paddingMask(attentionMask);
    const layer = layers[block];

    let x = embeddings.forward(idsTensor(inputIds));
    for (const before of layers.slice(0, block)) x = before.forward(x, { mask, states });
    x = layer.attention.attend(x, x, mask);
    const values = splitHeads(layer.crossattention.self.value.forward(states), layer.config.heads);
    const probabilities = tf.variable(layer.crossattention.probabilities(x, states)); // [B, H, T, N]

    let itmLogits: tf.Tensor2D | undefined;
    const { grads } = valueAndGrads(
      () => {
        const seen = tf.matMul(probabilities, values).transpose([0, 2, 1, 3]).reshape(x.shape);
        let y = layer.feedForward(layer.crossattention.finish(seen, x));
        for (const after of layers.slice(block + 1)) y = after.forward(y, { mask, states });
        const logits = model.itmHead.forward(firstToken(y)) as tf.Tensor2D;
        itmLogits = tf.keep(logits.clone());
        return logits.slice([0, 1], [-1, 1]).sum() as tf.Scalar;
      },
      new Map([['probabilities', probabilities]]),
    );

    const cam = probabilities.mul(tf.relu(grads.get('probabilities')!)).mean(1); // [B, T, N]
    const [batch, tokens, all] = cam.shape as [number, number, number];
    const side = Math.sqrt(all - 1);
    const patches = cam
      .slice([0, 0, 1], [-1, -1, -1])
      .mul(tf.tensor2d(attentionMask, [batch, tokens]).expandDims(-1))
      .reshape([batch, tokens, side, side]);
    const maps = attentionMask.map((row, i) => {
      const own = patches.slice([i, 0, 0, 0], [1, -1, -1, -1]).squeeze<tf.Tensor3D>([0]); // [T, side, side]
      const words = row.reduce((sum, seen) => sum + seen, 0) - 2;
      const mean = own.slice([1, 0, 0], [words, -1, -1]).sum(0, true).div(words);
      return tf.concat([
        own.slice([0, 0, 0], [1, -1, -1]),
        mean,
        own.slice([1, 0, 0], [-1, -1, -1]),
      ]) as tf.Tensor3D;
    });
    probabilities.dispose();
    return { maps, itmLogits: itmLogits! };
  });
}
