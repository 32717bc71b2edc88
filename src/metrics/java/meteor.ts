import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { DataError } from '../../common/errors.js';
import type { Scorer, TokenizedImage } from '../scores/tokens.js';

/**
 * METEOR 1.5 over its line protocol: a SCORE line for each image is answered by that image's statistics, one
 * EVAL line of all of them by a score for each image and then the corpus's.
 * Source: Denkowski and Lavie 2014, as pycocoevalcap calls it.
 */
export class Meteor implements Scorer {
  readonly name = 'METEOR';
  readonly #java: string;
  readonly #jar: string;

  constructor(jar: string, java = 'java') {
    this.#jar = jar;
    this.#java = java;
  }

  async score(_ids: readonly unknown[], images: readonly TokenizedImage[]) {
    const args = ['-jar', '-Xmx2G', this.#jar, '-', '-', '-stdio', '-l', 'en', '-norm'];
    const child = spawn(this.#java, args, { cwd: dirname(this.#jar) });
    let complaints = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      complaints = (complaints + chunk).slice(-2000);
    });
    child.stdin.on('error', () => {}); // A process that died is noticed by its missing answer.
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('close', (code, signal) => resolve(`exit ${signal ?? code}`));
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const answer = async () => {
      const { value, done } = await lines.next();
      if (!done) return value as string;
      throw new DataError('METEOR stopped without an answer', {
        where: this.#jar,
        found: [await ended, complaints.trim()].filter(Boolean).join('\n'),
      });
    };
    try {
      const statistics: string[] = [];
      for (const image of images) {
        child.stdin.write(scoreLine(image));
        statistics.push((await answer()).trim());
      }
      child.stdin.write(evalLine(statistics));
      const perImage: number[] = [];
      for (let i = 0; i < images.length; i++) perImage.push(parseScore(await answer()));
      return { corpus: parseScore(await answer()), perImage };
    } finally {
      child.stdin.end();
      child.kill();
      await ended;
    }
  }
}

/** `SCORE ||| reference ||| … ||| hypothesis`; the separator cannot be part of a caption. */
export function scoreLine({ references, hypothesis }: TokenizedImage): string {
  const caption = hypothesis.replaceAll('|||', '').replaceAll('  ', ' ');
  return `${['SCORE', ...references, caption].join(' ||| ')}\n`;
}

export function evalLine(statistics: readonly string[]): string {
  return `${['EVAL', ...statistics].join(' ||| ')}\n`;
}

/** @throws DataError when METEOR answers with anything but a number. */
export function parseScore(line: string): number {
  const score = line.trim() === '' ? Number.NaN : Number(line);
  if (Number.isNaN(score)) {
    throw new DataError('METEOR answered with no score', {
      found: JSON.stringify(line),
      allowed: 'a number',
    });
  }
  return score;
}
