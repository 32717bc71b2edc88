import { Tokenizer } from '@huggingface/tokenizers';
import { DataError } from '../../common/errors.js';

/** Texts as ids, padded to one length. */
export interface EncodedTexts {
  /** [B][T] */
  inputIds: number[][];
  /** [B][T], 1 at tokens and 0 at padding. */
  attentionMask: number[][];
}

/** The same texts with another first token: it replaces [CLS]. */
export const withFirstToken = ({ inputIds, attentionMask }: EncodedTexts, id: number): EncodedTexts => ({
  inputIds: inputIds.map((ids) => [id, ...ids.slice(1)]),
  attentionMask,
});

const SPECIAL = { pad: '[PAD]', unk: '[UNK]', cls: '[CLS]', sep: '[SEP]', mask: '[MASK]' } as const;
const ADDED = { bos: '[DEC]', enc: '[ENC]' } as const;

/** How texts are read before they are cut into pieces; as BERT's uncased models where left out. */
export interface TokenizerOptions {
  /** Capitals become small letters. */
  lowerCase?: boolean;
  /** Letters lose their accents; as `lowerCase` where left out. */
  stripAccents?: boolean;
}

/**
 * BERT's WordPiece with BLIP's two added tokens, [DEC] (begin) and [ENC]; uncased unless told.
 * Equal to transformers' slow BertTokenizer as LAVIS's init_tokenizer sets it up.
 */
export class BertTokenizer {
  readonly #tokenizer: Tokenizer;
  readonly #json: ReturnType<typeof tokenizerJson>;
  readonly #vocab: ReadonlyMap<string, number>;
  /** The vocabulary's words, as the lines of vocab.txt; [DEC] and [ENC] only where they are among those. */
  readonly words: readonly string[];
  /** The number of ids, added tokens included. */
  readonly length: number;
  readonly padId: number;
  /** [UNK], which stands for a word that has no pieces in the vocabulary. */
  readonly unkId: number;
  readonly clsId: number;
  readonly sepId: number;
  /** [DEC], with which a text to be decoded begins. */
  readonly bosId: number;
  /** [ENC], with which a text read beside an image begins. */
  readonly encId: number;

  /**
   * @param words the lines of vocab.txt; a word's id is its line.
   * @throws DataError when a special token is not among the words.
   */
  constructor(
    words: readonly string[],
    where = 'vocab.txt',
    readonly options: TokenizerOptions = {},
  ) {
    const vocab = new Map(words.map((word, id) => [word, id]));
    const missing = Object.values(SPECIAL).filter((token) => !vocab.has(token));
    if (missing.length) {
      throw new DataError('the vocabulary lacks special tokens', {
        where,
        found: `${words.length} lines without ${missing.join(', ')}`,
        allowed: "BERT's vocab.txt: one word a line",
      });
    }
    for (const token of Object.values(ADDED)) if (!vocab.has(token)) vocab.set(token, vocab.size);
    this.words = words;
    this.#vocab = vocab;
    this.length = vocab.size;
    this.padId = vocab.get(SPECIAL.pad)!;
    this.unkId = vocab.get(SPECIAL.unk)!;
    this.clsId = vocab.get(SPECIAL.cls)!;
    this.sepId = vocab.get(SPECIAL.sep)!;
    this.bosId = vocab.get(ADDED.bos)!;
    this.encId = vocab.get(ADDED.enc)!;
    this.#json = tokenizerJson(vocab, options);
    this.#tokenizer = new Tokenizer(this.#json, { clean_up_tokenization_spaces: true });
  }

  /** Its tokenizer.json, as Hugging Face's libraries read it; [DEC] and [ENC] are special added tokens. */
  toJson() {
    return this.#json;
  }

  /** The id of a word or piece of the vocabulary. */
  idOf(token: string): number | undefined {
    return this.#vocab.get(token);
  }

  /** What an id stands for: a word or, with `##` in front, a piece that goes on. */
  tokenOf(id: number): string {
    return this.words[id] ?? (id === this.bosId ? ADDED.bos : ADDED.enc);
  }

  /** The words with [DEC] and [ENC] where these have their ids. */
  withSpecialWords(): string[] {
    const special = [...this.#vocab].filter(([, id]) => id >= this.words.length);
    return [...this.words, ...special.map(([token]) => token)];
  }

  /** A text as it is cut into pieces. */
  normalize(text: string): string {
    const { lowerCase = true, stripAccents = lowerCase } = this.options;
    const plain = stripAccents ? text.normalize('NFD').replaceAll(/\p{Mn}/gu, '') : text.normalize('NFC');
    return lowerCase ? plain.toLowerCase() : plain;
  }

  /** The ids of one text, [CLS] and [SEP] around it; cut to maxLength ids, the last of them [SEP]. */
  encode(text: string, maxLength = Number.POSITIVE_INFINITY): number[] {
    // The one character whose lower case depends on its neighbours: Python lowers it alone.
    const lowered = this.options.lowerCase === false ? text : text.replaceAll('Σ', 'σ');
    // A letter and its accent may be two characters; where accents stay, the vocabulary has them as one.
    const { stripAccents = this.options.lowerCase ?? true } = this.options;
    const { ids } = this.#tokenizer.encode(stripAccents ? lowered : lowered.normalize('NFC'));
    return ids.length <= maxLength ? ids : [...ids.slice(0, maxLength - 1), this.sepId];
  }

  /**
   * Encodes a batch, padded with [PAD] on the right.
   * @param length at least so many ids, as transformers' padding: 'max_length'; the longest text's where left out
   */
  encodeBatch(texts: readonly string[], maxLength?: number, length = 0): EncodedTexts {
    const rows = texts.map((text) => this.encode(text, maxLength));
    const longest = Math.max(length, ...rows.map((ids) => ids.length));
    const padded = (ids: number[], filler: number) =>
      Array.from({ length: longest }, (_, i) => ids[i] ?? filler);
    return {
      inputIds: rows.map((ids) => padded(ids, this.padId)),
      attentionMask: rows.map((ids) =>
        padded(
          ids.map(() => 1),
          0,
        ),
      ),
    };
  }

  /** The text of some ids, spaces before punctuation and in contractions removed as transformers does. */
  decode(ids: readonly number[], { skipSpecialTokens = true, cleanUp = true } = {}): string {
    if (ids.length === 0) return '';
    return this.#tokenizer.decode([...ids], {
      skip_special_tokens: skipSpecialTokens,
      clean_up_tokenization_spaces: cleanUp,
    });
  }
}

/** The tokenizer.json that bert-base-uncased would have with these words. */
function tokenizerJson(
  vocab: ReadonlyMap<string, number>,
  { lowerCase = true, stripAccents }: TokenizerOptions,
) {
  const special = [...Object.values(SPECIAL), ...Object.values(ADDED)];
  const token = (content: string, type = 0) => ({ SpecialToken: { id: content, type_id: type } });
  const text = (id: 'A' | 'B', type: number) => ({ Sequence: { id, type_id: type } });
  const template = (content: string) => ({ id: content, ids: [vocab.get(content)], tokens: [content] });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((content) => ({
      id: vocab.get(content)!,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: stripAccents ?? null,
      lowercase: lowerCase,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [token(SPECIAL.cls), text('A', 0), token(SPECIAL.sep)],
      pair: [token(SPECIAL.cls), text('A', 0), token(SPECIAL.sep), text('B', 1), token(SPECIAL.sep, 1)],
      special_tokens: { [SPECIAL.cls]: template(SPECIAL.cls), [SPECIAL.sep]: template(SPECIAL.sep) },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: false },
    model: {
      type: 'WordPiece',
      unk_token: SPECIAL.unk,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(vocab),
    },
  };
}
