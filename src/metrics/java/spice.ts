import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DataError, messageOf } from '../../common/errors.js';
import { mean } from '../scores/rouge.js';
import type { ImageId, Scorer, TokenizedImage } from '../scores/tokens.js';

/** Category (All, Object, Relation, …) -> precision, recall, F and counts; NaN where SPICE has none. */
export type SpiceCategories = Record<string, Record<string, number>>;

/**
 * SPICE 1.0: captions go in as a JSON file, scores come out as another. Parsed references are kept in a
 * cache folder, so that only the first evaluation takes minutes.
 * Source: Anderson et al. 2016, as pycocoevalcap calls it.
 */
export class Spice implements Scorer {
  readonly name = 'SPICE';
  readonly #java: string;
  readonly #jar: string;

  constructor(jar: string, java = 'java') {
    this.#jar = jar;
    this.#java = java;
  }

  async score(ids: readonly ImageId[], images: readonly TokenizedImage[]) {
    const folder = await mkdtemp(join(tmpdir(), 'lavis-spice-'));
    try {
      const input = join(folder, 'captions.json');
      const output = join(folder, 'scores.json');
      const cache = join(dirname(this.#jar), 'cache');
      await mkdir(cache, { recursive: true });
      await writeFile(input, JSON.stringify(spiceInput(ids, images)));
      await this.#run([input, '-cache', cache, '-out', output, '-subset', '-silent']);
      return parseSpice(await readFile(output, 'utf8'), ids);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  #run(args: string[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = spawn(this.#java, ['-jar', '-Xmx8G', this.#jar, ...args], {
        cwd: dirname(this.#jar),
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let complaints = '';
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
        complaints = (complaints + chunk).slice(-2000);
      });
      const fail = (found: string) =>
        reject(
          new DataError('SPICE failed', {
            where: this.#jar,
            found,
            help: 'it needs 8 GB of memory and the Stanford CoreNLP 3.6.0 archives in its lib folder',
          }),
        );
      child.once('error', (error) => fail(error.message));
      child.once('close', (code, signal) => {
        if (code === 0) resolve();
        else fail([`exit ${signal ?? code}`, complaints.trim()].filter(Boolean).join('\n'));
      });
    });
  }
}

export function spiceInput(ids: readonly ImageId[], images: readonly TokenizedImage[]) {
  return images.map(({ references, hypothesis }, i) => ({
    image_id: ids[i],
    test: hypothesis,
    refs: references,
  }));
}

/**
 * The corpus score is the mean F over all tuples; an image's is its record of categories.
 * @throws DataError when the output is malformed or lacks an image.
 */
export function parseSpice(
  text: string,
  ids: readonly ImageId[],
): { corpus: number; perImage: SpiceCategories[] } {
  const broken = (found: string, cause?: unknown) =>
    new DataError('SPICE wrote scores that cannot be read', {
      found,
      allowed: '[{ "image_id", "scores": { "All": { "f" } } }]',
      cause,
    });
  let items: { image_id: ImageId; scores: Record<string, Record<string, unknown>> }[];
  try {
    items = JSON.parse(text);
  } catch (cause) {
    throw broken(messageOf(cause), cause);
  }
  if (!Array.isArray(items)) throw broken(typeof items);
  const byId = new Map(items.map((item) => [String(item?.image_id), item]));
  const perImage = ids.map((id) => {
    const scores = byId.get(String(id))?.scores;
    if (!scores?.All) throw broken(`no scores for image ${id}`);
    return Object.fromEntries(
      Object.entries(scores).map(([category, values]) => [
        category,
        Object.fromEntries(Object.entries(values).map(([key, value]) => [key, toNumber(value)])),
      ]),
    );
  });
  return { corpus: mean(perImage.map(({ All }) => All.f)), perImage };
}

const toNumber = (value: unknown) => (value === null || value === undefined ? Number.NaN : Number(value));
