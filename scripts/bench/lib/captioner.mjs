import { existsSync } from 'node:fs';

/** Keys of the `model` section by size; `small` is there to try the benchmark itself. */
const SIZES = {
  base: { model_type: 'base_coco', vit_type: 'base', med_config_path: 'configs/models/med_config.json' },
  large: {
    model_type: 'large_coco',
    vit_type: 'large',
    med_config_path: 'configs/models/med_large_config.json',
  },
  small: {
    model_type: 'base_coco',
    vit_type: 'custom',
    vit_embed_dim: 192,
    vit_depth: 4,
    vit_num_heads: 4,
    vit_patch_size: 16,
    med_config_path: 'configs/models/med_shapes_config.json',
  },
  /** For any adapter: as wide and deep as the captioner of drawn scenes. */
  shapes: {
    vit_type: 'custom',
    vit_embed_dim: 128,
    vit_depth: 4,
    vit_num_heads: 4,
    vit_patch_size: 8,
    med_config_path: 'configs/models/med_shapes_config.json',
  },
};

/** A vocabulary that lies here, for what is not compared with others. */
export const SHAPES_VOCAB = 'configs/models/shapes_vocab.txt';

export const PROMPT = 'a picture of ';

/** 16 tokens with [DEC] and [SEP], as many as the peer has. */
export const CAPTION = 'a picture of a brown dog that runs over green grass with a ball';

/** The keys of the `model` section of a captioner with random weights. */
export const modelSection = (options) => ({ ...sizedSection(options), arch: 'blip_caption', prompt: PROMPT });

/** The keys that every model of the family has, without weights. */
export const sizedSection = ({ size, image, recompute = 0, vocab }) => ({
  load_finetuned: false,
  load_pretrained: false,
  ...SIZES[size],
  image_size: image,
  vit_grad_ckpt: recompute > 0,
  vit_ckpt_layer: recompute,
  // A file that is not there is fetched by its name.
  tokenizer: existsSync(vocab) ? vocab : 'bert-base-uncased',
});

const FROZEN = { freeze_vit: true };
const ADAPTERS = { lora: { r: 16, alpha: 32, dropout: 0.05 } };

/** Keys of the `model` section by what is trained; those that end in `remembered` see embeddings, not pixels. */
export const TUNES = {
  full: {},
  frozen: FROZEN,
  remembered: FROZEN,
  lora: ADAPTERS,
  'lora-remembered': ADAPTERS,
};

export async function makeCaptioner({ tune = 'full', ...options }) {
  const { registry } = await import('../../../dist/index.js');
  return registry.getModelClass('blip_caption').fromConfig({ ...modelSection(options), ...TUNES[tune] });
}
