import { join } from 'node:path';
import { writeFileAtomic } from '../common/files.js';
import type { BertTokenizer } from '../models/index.js';
import { CLIP_MEAN, CLIP_STD } from '../processors/index.js';

/** What images are made of before the model sees them. */
export interface Preprocessing {
  /** Subtracted from red, green and blue, which go from 0 to 1; CLIP's, which BLIP was trained with, where left out. */
  mean?: readonly [number, number, number];
  /** What they are divided by then. */
  std?: readonly [number, number, number];
}

/** Pillow's bicubic. */
const BICUBIC = 3;

/**
 * A preprocessor_config.json: `blip_image_eval` in Hugging Face's words.
 * @param type the image processor's class
 * @param size pixels a side of the square that the model sees
 */
export const preprocessorConfig = (type: string, size: number, { mean, std }: Preprocessing) => ({
  image_processor_type: type,
  do_convert_rgb: true,
  do_resize: true,
  size: { height: size, width: size },
  resample: BICUBIC,
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: mean ?? CLIP_MEAN,
  image_std: std ?? CLIP_STD,
});

/**
 * Writes a tokenizer as transformers and transformers.js read it: tokenizer.json, tokenizer_config.json,
 * special_tokens_map.json, vocab.txt. `[DEC]` and `[ENC]` are special added tokens in the first two, as rows of the
 * embedding, and no words of vocab.txt.
 * @param processor the class that transformers is to wrap it with; none where left out
 */
export async function writeTokenizer(
  tokenizer: BertTokenizer,
  folder: string,
  processor?: string,
): Promise<void> {
  const json = tokenizer.toJson();
  const special = { pad_token: '[PAD]', unk_token: '[UNK]', cls_token: '[CLS]' };
  const tokens = { ...special, sep_token: '[SEP]', mask_token: '[MASK]' };
  const config = {
    tokenizer_class: 'BertTokenizer',
    do_lower_case: tokenizer.options.lowerCase ?? true,
    do_basic_tokenize: true,
    strip_accents: tokenizer.options.stripAccents ?? null,
    tokenize_chinese_chars: true,
    clean_up_tokenization_spaces: true,
    model_max_length: 512,
    // BLIP has no token types: without this a tokenizer makes them, and the model does not take them.
    model_input_names: ['input_ids', 'attention_mask'],
    added_tokens_decoder: Object.fromEntries(json.added_tokens.map(({ id, ...token }) => [id, token])),
    ...tokens,
    ...(processor && { processor_class: processor }),
  };
  await writeJson(join(folder, 'tokenizer.json'), json);
  await writeJson(join(folder, 'tokenizer_config.json'), config);
  await writeJson(join(folder, 'special_tokens_map.json'), tokens);
  await writeFileAtomic(join(folder, 'vocab.txt'), tokenizer.words.map((word) => `${word}\n`).join(''));
}

/** Writes a value as indented JSON. */
export const writeJson = (path: string, value: unknown): Promise<void> =>
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
