import type { Exportable, Layout } from './layouts.js';

/** LAVIS's losses of language modelling smooth labels so; transformers reads it from `text_config`. */
const LABEL_SMOOTHING = 0.1;

/** Keys whose numbers Python must not take for whole ones: transformers 5 refuses `0` where it wants `0.0`. */
const FLOATS =
  /("(?:hidden_dropout_prob|attention_probs_dropout_prob|initializer_range|layer_norm_eps)": \d+)(?=,?$)/gm;

/** config.json as a text. */
export const configText = (config: object): string =>
  `${JSON.stringify(config, null, 2).replace(FLOATS, '$1.0')}\n`;

/** The model's config.json. Source: transformers, models/blip/configuration_blip.py. */
export function configJson({ vit, med, tokenizer }: Exportable, layout: Layout) {
  const featureWidth = layout.featureWidth ?? 256;
  const ids = {
    bos_token_id: tokenizer.bosId,
    eos_token_id: tokenizer.sepId,
    pad_token_id: tokenizer.padId,
    sep_token_id: tokenizer.sepId,
  };
  return {
    architectures: [layout.architecture],
    model_type: 'blip',
    torch_dtype: 'float32',
    image_text_hidden_size: featureWidth,
    projection_dim: 512,
    initializer_range: med.initializerRange,
    logit_scale_init_value: 2.6592,
    tie_word_embeddings: isTied(layout),
    text_config: {
      model_type: 'blip_text_model',
      vocab_size: med.vocabSize,
      hidden_size: med.hiddenSize,
      intermediate_size: med.intermediateSize,
      num_hidden_layers: med.layers,
      num_attention_heads: med.heads,
      encoder_hidden_size: med.encoderWidth,
      max_position_embeddings: med.maxPositions,
      layer_norm_eps: med.layerNormEps,
      hidden_act: 'gelu',
      hidden_dropout_prob: med.hiddenDropout,
      attention_probs_dropout_prob: med.attentionDropout,
      initializer_range: med.initializerRange,
      label_smoothing: LABEL_SMOOTHING,
      projection_dim: 768,
      is_decoder: true,
      use_cache: true,
      tie_word_embeddings: isTied(layout),
      ...ids,
    },
    vision_config: {
      model_type: 'blip_vision_model',
      hidden_size: vit.width,
      intermediate_size: 4 * vit.width,
      num_hidden_layers: vit.depth,
      num_attention_heads: vit.heads,
      image_size: vit.imageSize,
      patch_size: vit.patchSize,
      layer_norm_eps: vit.layerNormEps,
      hidden_act: 'gelu',
      initializer_range: vit.initializerRange ?? 0.02,
      projection_dim: 512,
    },
  };
}

/** Whether the output layer is the word embedding; a model without one has nothing apart. */
const isTied = ({ decoder }: Layout) =>
  !decoder || decoder.cls.predictions.decoder.weight === decoder.bert.embeddings.wordEmbeddings.weight;
