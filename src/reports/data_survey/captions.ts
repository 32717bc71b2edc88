import { readFile } from 'node:fs/promises';
import { messageOf } from '../../common/errors.js';
import { log } from '../../common/logging.js';
import { resolveFile } from '../../common/paths.js';
import { registry } from '../../common/registry.js';
import type { Config } from '../../config/index.js';
import { type Dataset, hasWords, isNothing, type RetrievalDataset } from '../../datasets/index.js';
import { type BertTokenizer, tokenizerOf } from '../../models/index.js';
import { type ProcessorOwner, textProcessorOf } from '../../processors/index.js';

/** How long the captions of a split are. */
export interface CaptionSurvey {
  count: number;
  words: number[];
  /** With the prompt, [DEC] and [SEP], before anything is cut off; absent without a vocabulary. */
  tokens?: number[];
  /** Captions of more tokens than the model takes. */
  truncated: number;
  longest?: string;
  /** Where captions stand of which the processor leaves nothing to learn: punctuation alone. */
  empty: string[];
  /** Captions whose letters an earlier conversion lost, or read in another encoding. */
  garbled: string[];
  /** Captions with [UNK], and the words it stands for, most frequent first; absent without a vocabulary. */
  unknown?: { captions: number; words: string[] };
}

/** The model's tokenizer, and how many tokens of a text it takes. */
export interface TextLimit {
  tokenizer: BertTokenizer;
  most: number;
}

/** Undefined, with a line that says why, where the vocabulary or the decoder's sizes cannot be had. */
export async function textLimit({ model }: Config): Promise<TextLimit | undefined> {
  try {
    const { tokenizer } = await tokenizerOf(model);
    const file = resolveFile(String(model.med_config_path ?? 'configs/models/med_config.json'));
    const { max_position_embeddings: positions = 512 } = JSON.parse(await readFile(file, 'utf8'));
    const { shape = {} } = registry.getModelClass(String(model.arch)).configSchema ?? {};
    const asked = shape.max_txt_len?.safeParse(model.max_txt_len).data ?? positions; // the model's own default
    const most = Math.min(Number(asked), positions);
    return { tokenizer, most };
  } catch (thrown) {
    log.warn(`tokens are not counted: ${messageOf(thrown)}`);
    return undefined;
  }
}

/** U+FFFD, or UTF-8 that was read as Windows-1252: `cafÃ©`, `itâ€™s`. */
const GARBLED = /\uFFFD|Ã[\u0080-\u00BF\u0152-\u2122]|â€|Â[\u00A0-\u00BF]/;

/** The texts of a dataset's records, and those it is compared with or scored against; undefined where there are none. */
export function surveyCaptions(
  dataset: Dataset,
  owner: ProcessorOwner,
  limit: TextLimit | undefined,
): CaptionSurvey | undefined {
  const processor = textProcessorOf(owner, 'train');
  // References are not read as tokens.
  const trained = typeof dataset.job?.(0).record.text_input === 'string' ? limit : undefined;
  const unknown = trained && new UnknownWords(trained.tokenizer);
  const survey: CaptionSurvey = {
    count: 0,
    words: [],
    tokens: trained && [],
    truncated: 0,
    empty: [],
    garbled: [],
  };
  let longest = 0;
  for (const { caption, prompt, where } of captionsOf(dataset)) {
    const text = (prompt ? processor?.applyBehind(prompt, caption) : processor?.apply(caption)) ?? caption;
    survey.count++;
    if (!hasWords(caption) || isNothing(caption)) survey.empty.push(`${JSON.stringify(caption)} in ${where}`);
    if (GARBLED.test(caption)) survey.garbled.push(JSON.stringify(caption));
    survey.words.push(caption.trim().split(/\s+/).length);
    const ids = trained?.tokenizer.encode(text);
    const tokens = ids?.length ?? survey.words.at(-1)!;
    survey.tokens?.push(tokens);
    if (ids) unknown?.look(text, ids);
    if (trained && tokens > trained.most) survey.truncated++;
    if (tokens > longest) [longest, survey.longest] = [tokens, caption];
  }
  if (survey.count === 0) return undefined;
  return { ...survey, unknown: unknown?.found() };
}

/** The texts of a dataset's records, and those it is compared with or scored against. */
export function* captionsOf(
  dataset: Dataset,
): Generator<{ caption: string; prompt?: string; where: string }> {
  for (let i = 0; i < dataset.length; i++) {
    const { text_input: caption, prompt, source } = dataset.job?.(i).record ?? {};
    if (typeof caption !== 'string') continue;
    const where = String(source ?? `sample ${i}`);
    yield { caption, prompt: typeof prompt === 'string' ? prompt : undefined, where };
  }
  for (const [i, caption] of ((dataset as Partial<RetrievalDataset>).text ?? []).entries()) {
    yield { caption, where: `text ${i}` };
  }
  for (const reference of dataset.groundTruth?.()?.annotations ?? []) {
    const { caption, image_id } = reference as Record<string, unknown>;
    if (typeof caption === 'string') yield { caption, where: `the references of ${image_id}` };
  }
}

/** Counts the words that [UNK] stands for. */
class UnknownWords {
  readonly #tokenizer: BertTokenizer;
  readonly #words = new Map<string, number>();
  #captions = 0;

  constructor(tokenizer: BertTokenizer) {
    this.#tokenizer = tokenizer;
  }

  look(text: string, ids: readonly number[]): void {
    const { unkId } = this.#tokenizer;
    if (!ids.includes(unkId)) return;
    this.#captions++;
    for (const word of text.split(/\s+/)) {
      if (word === '' || !this.#tokenizer.encode(word).includes(unkId)) continue;
      this.#words.set(word, (this.#words.get(word) ?? 0) + 1);
    }
  }

  found(): { captions: number; words: string[] } {
    const words = [...this.#words].sort((a, b) => b[1] - a[1]).map(([word]) => word);
    return { captions: this.#captions, words };
  }
}
