import { z } from 'zod';
import { registry } from '../common/registry.js';
import { key, readSection, types } from '../config/index.js';
import { type ProcessorSection, TextProcessor } from './base.js';

const name = key(types.text, undefined, 'Which processor: one of `lavis zoo`.');
const maxWords = key(types.natural, 50, 'Maximum number of words; longer texts are truncated.');

/** `. ! " ( ) * # : ; ~` */
const MARKS = /[.!"()*#:;~]/g;
/** Two or more of what Python calls white space: U+001C … U+001F and U+0085 are, U+FEFF is not. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are white space to Python
const SPACES = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]{2,}/g;

/** Cleans a caption and prepends the prompt. Source: lavis/processors/blip_processors.py. */
@registry.registerProcessor('blip_caption')
export class BlipCaptionProcessor extends TextProcessor {
  override readonly prompt: string;
  readonly maxWords: number;
  readonly lowerCase: boolean;

  constructor({ prompt = '', maxWords = 50, lowerCase = true } = {}) {
    super();
    this.prompt = prompt;
    this.maxWords = maxWords;
    this.lowerCase = lowerCase;
  }

  static readonly configSchema = z.strictObject({
    name,
    prompt: key(types.words, '', 'Prefix added to each caption.'),
    max_words: maxWords,
    lower_case: key(types.flag, true, 'Lowercase the caption; set to False with `model.lower_case: False`.'),
  });

  /** @throws ConfigError */
  static fromConfig(section?: ProcessorSection): BlipCaptionProcessor {
    const read = readSection('blip_caption', BlipCaptionProcessor.configSchema, section);
    const { prompt, max_words: maxWords, lower_case: lowerCase } = read;
    return new BlipCaptionProcessor({ prompt, maxWords, lowerCase });
  }

  apply(caption: string): string {
    const cased = this.lowerCase ? caption.toLowerCase() : caption;
    const spaced = cased.replace(MARKS, ' ').replace(SPACES, ' ');
    // Line ends first, then blanks: a single tab or line end inside stays, as in the reference.
    const stripped = spaced.replace(/\n+$/, '').replace(/^ +| +$/g, '');
    return this.prompt + firstWords(stripped, this.maxWords);
  }
}

/** Cleans a question. Source: lavis/processors/blip_processors.py. */
@registry.registerProcessor('blip_question')
export class BlipQuestionProcessor extends TextProcessor {
  readonly maxWords: number;

  constructor({ maxWords = 50 } = {}) {
    super();
    this.maxWords = maxWords;
  }

  static readonly configSchema = z.strictObject({ name, max_words: maxWords });

  /** @throws ConfigError */
  static fromConfig(section?: ProcessorSection): BlipQuestionProcessor {
    const { max_words } = readSection('blip_question', BlipQuestionProcessor.configSchema, section);
    return new BlipQuestionProcessor({ maxWords: max_words });
  }

  apply(question: string): string {
    return firstWords(question.toLowerCase().replace(MARKS, '').replace(/ +$/, ''), this.maxWords);
  }
}

/** Leaves the text unchanged: the default for a dataset that names no text processor. */
@registry.registerProcessor('base_processor')
export class BaseTextProcessor extends TextProcessor {
  static readonly configSchema = z.strictObject({ name });

  /** @throws ConfigError */
  static fromConfig(section?: ProcessorSection): BaseTextProcessor {
    readSection('base_processor', BaseTextProcessor.configSchema, section);
    return new BaseTextProcessor();
  }

  apply(text: string): string {
    return text;
  }
}

/** Words are separated by single spaces. */
function firstWords(text: string, most: number): string {
  const words = text.split(' ');
  return words.length > most ? words.slice(0, most).join(' ') : text;
}
