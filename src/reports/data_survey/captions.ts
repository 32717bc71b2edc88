import { readFile } from 'node:fs/promises';
import { messageOf } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import { resolveFile } from '../../common/paths.js';
import type { Config } from '../../config/index.js';
import type { Dataset } from '../../datasets/index.js';
import { type BertTokenizer, loadTokenizer } from '../../models/index.js';
import { loadTextProcessor, type TextProcessor } from '../../processors/index.js';

/** How long the captions of a split are. */
export interface CaptionSurvey {
  count: number;
  words: number[];
  /** With the prompt, [DEC] and [SEP], before anything is cut off; absent without a vocabulary. */
  tokens?: number[];
  /** Captions of more tokens than the model takes. */
  truncated: number;
  longest?: string;
}

/** The model's tokenizer, and how many tokens of a text it takes. */
export interface TextLimit {
  tokenizer: BertTokenizer;
  most: number;
}

/** Undefined, with a line that says why, where the vocabulary or the decoder's sizes cannot be had. */
export async function textLimit({ model }: Config): Promise<TextLimit | undefined> {
  try {
    const tokenizer = await loadTokenizer(typeof model.tokenizer === 'string' ? model.tokenizer : undefined);
    const file = resolveFile(String(model.med_config_path ?? 'configs/models/med_config.json'));
    const { max_position_embeddings: positions = 512 } = JSON.parse(await readFile(file, 'utf8'));
    const most = Math.min(Number(model.max_txt_len ?? 40), positions);
    return { tokenizer, most };
  } catch (thrown) {
    log.warn(`tokens are not counted: ${messageOf(thrown)}`);
    return undefined;
  }
}

/** The captions of a dataset's records; undefined where they carry none. */
export function surveyCaptions(
  dataset: Dataset,
  section: Record<string, unknown>,
  limit: TextLimit | undefined,
): CaptionSurvey | undefined {
  const processor = trainTextProcessor(section);
  const survey: CaptionSurvey = { count: 0, words: [], tokens: limit && [], truncated: 0 };
  let longest = 0;
  for (let i = 0; i < dataset.length; i++) {
    const caption = dataset.job?.(i).record.caption;
    if (typeof caption !== 'string') continue;
    const text = processor?.apply(caption) ?? caption;
    survey.count++;
    survey.words.push(caption.trim().split(/\s+/).length);
    const tokens = limit?.tokenizer.encode(text).length ?? survey.words.at(-1)!;
    survey.tokens?.push(tokens);
    if (limit && tokens > limit.most) survey.truncated++;
    if (tokens > longest) [longest, survey.longest] = [tokens, caption];
  }
  return survey.count > 0 ? survey : undefined;
}

function trainTextProcessor(section: Record<string, unknown>): TextProcessor | undefined {
  const sides = section.text_processor as { train?: Record<string, unknown> } | undefined;
  const train = sides?.train;
  return typeof train?.name === 'string' ? loadTextProcessor(train.name, train) : undefined;
}
