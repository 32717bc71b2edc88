import { setupEngine, tf, valueAndGrads } from '../../../dist/engine/index.js';
import { BlipCaption } from '../../../dist/models/index.js';
import { AdamW } from '../../../dist/optim/index.js';

const SMALL = { vit_type: 'custom', vit_embed_dim: 256, vit_depth: 6, vit_num_heads: 4, vit_patch_size: 16 };

/** A captioner and one training step of it over random images. @param kind 'small', 'base' or 'large' */
export async function loadEverything({ kind, imageSize, batch, vocab, seed }) {
  await setupEngine({ device: 'cpu' });
  const model = await BlipCaption.fromConfig({
    arch: 'blip_caption',
    load_finetuned: false,
    load_pretrained: false,
    image_size: imageSize,
    tokenizer: vocab,
    prompt: 'a picture of ',
    med_config_path: `configs/models/${kind === 'small' ? 'med_shapes' : kind === 'large' ? 'med_large' : 'med'}_config.json`,
    ...(kind === 'small' ? SMALL : { vit_type: kind }),
  });
  model.train();
  const parameters = model.namedParameters();
  const optimizer = new AdamW(model.getOptimizerParams(0.05), { lr: 1e-5 });
  const captions = Array.from({ length: batch }, () => 'a picture of a red ball beside a blue box');

  /** @returns seconds that the exchange of gradients took */
  const step = async (averager) => {
    const image = tf.randomNormal([batch, imageSize, imageSize, 3], 0, 1, 'float32', seed);
    averager?.begin();
    let { value, grads } = valueAndGrads(
      () => model.forward({ image, text_input: captions }).loss,
      parameters,
      {
        onGrad: averager && ((name, grad) => averager.add(name, grad)),
      },
    );
    image.dispose();
    value.dispose();
    const start = performance.now();
    if (averager) {
      for (const grad of grads.values()) grad.dispose();
      grads = await averager.finish();
    }
    const exchange = (performance.now() - start) / 1000;
    optimizer.step(grads, 1e-5);
    for (const grad of grads.values()) grad.dispose();
    return exchange;
  };
  return { step, parameters, dispose: () => model.dispose() };
}
