/** What the lengths of captions ask of a run. */
export interface CaptionLengths {
  /** Words that all but one caption in twenty have at most, and that the longest has. */
  most: number;
  longest: number;
  /** `run.max_len`, `model.max_txt_len` and the text processor's `max_words`. */
  maxLength: number;
  maxTextLength: number;
  maxWords: number;
}

/** Tokens of [DEC] and the prompt, and of a word: names and rare words have several. */
const PROMPT_TOKENS = 5;
const TOKENS_A_WORD = 1.4;
/** BERT's positions. */
const POSITIONS = 512;
/** What the keys are where nothing is said. */
const USUAL = { maxLength: 30, maxTextLength: 40, maxWords: 50 };

/** Room for nearly all captions in generation, for all of them in training. */
export function captionLengths(captions: readonly string[]): CaptionLengths {
  const words = captions.map((caption) => caption.trim().split(/\s+/).length).sort((a, b) => a - b);
  const most = words[Math.ceil(0.95 * words.length) - 1];
  const longest = words[words.length - 1];
  const room = (count: number, usual: number) =>
    Math.max(usual, Math.min(POSITIONS, tens(PROMPT_TOKENS + TOKENS_A_WORD * count)));
  return {
    most,
    longest,
    maxLength: room(most, USUAL.maxLength),
    maxTextLength: room(longest, USUAL.maxTextLength),
    maxWords: Math.max(USUAL.maxWords, tens(longest)),
  };
}

const tens = (value: number) => 10 * Math.ceil(value / 10);
