import { basename } from 'node:path';
import { log } from '../../../common/logging.js';
import { counted } from '../../../common/words.js';

/** Counts what of shards does not come into a sample, by kind, with the first of each. */
export class PassedOver {
  /** Shards whose files of one sample do not stand together. */
  readonly unsorted: string[] = [];
  /** Captions of punctuation alone, each with its shard and sample. */
  readonly wordless: string[] = [];
  readonly #kinds = new Map<string, { count: number; first: string }>();
  #lost = false;

  /** @param lost whether somebody may miss a sample */
  add(kind: string, name: string, lost = false): undefined {
    const known = this.#kinds.get(kind);
    if (known) known.count++;
    else this.#kinds.set(kind, { count: 1, first: name });
    this.#lost ||= lost;
    return undefined;
  }

  /** '4 hidden files (._a.jpg, …), 1 .cls files (a.cls)'; undefined where there is nothing to tell */
  get text(): string | undefined {
    const kinds = [...this.#kinds].map(([kind, { count, first }]) => {
      const noun = count === 1 ? kind.replace(/s(?= |$)/, '') : kind;
      return `${count} ${noun} (${first}${count > 1 ? ', …' : ''})`;
    });
    return kinds.length > 0 ? kinds.join(', ') : undefined;
  }

  /** Tells of it what has not been told. */
  tell(name: string): void {
    if (this.text !== undefined) {
      const message = `${name} passes over ${this.text}`;
      if (this.#lost) log.warn(message);
      else log.info(message);
    }
    const [first] = this.unsorted;
    if (first !== undefined) {
      const more = this.unsorted.length > 1 ? ` and ${this.unsorted.length - 1} more` : '';
      log.info(
        `${basename(first)}${more}: the files of a sample do not stand together; they are found here, ` +
          'but readers that go through from front to back need tar --sort=name',
      );
    }
    const [bare] = this.wordless;
    if (bare !== undefined)
      log.warn(`${name}: ${counted(this.wordless.length, 'caption')} without a word: ${bare}, for one`);
    this.wordless.length = 0;
    this.#kinds.clear();
    this.unsorted.length = 0;
  }
}
