import { setImmediate } from 'node:timers/promises';
import { tf } from '../engine/index.js';
import {
  type CaptionModel,
  type GenerateOptions,
  type ScoredCaption,
  scoredCaptions,
  type WordLook,
  wordsOf,
} from '../models/index.js';
import { type AtWork, ofImages, type RunHooks } from './at_work.js';
import type { Batch, Caption, CaptionWord, Outcome } from './protocol.js';

/** Captions, words told as they are written to those who follow. */
export async function caption(
  { model, processor, captioning }: AtWork,
  { shared, items }: Batch<'caption'>,
  hooks: RunHooks,
): Promise<Outcome<'caption'>[]> {
  const captioner = model as CaptionModel;
  return ofImages<'caption'>(items, processor, async (image, indices) => {
    const prompt = indices.map((index) => items[index].prompt ?? null);
    const options: GenerateOptions = {
      ...captioning,
      ...shared.settings,
      async onStep(texts) {
        for (const { image: place, caption, text } of texts) {
          const item = indices[place];
          if (items[item].stream) hooks.onProgress({ item, text: { caption, text } });
        }
        await setImmediate(); // what is cancelled is heard of
        hooks.throwIfCancelled();
      },
    };
    const found = await scoredCaptions(captioner, { image, prompt }, options);
    const each = found.length / indices.length;
    const looks = shared.explain ? await looksOf(captioner, { image, prompt }, found) : undefined;
    const captions = found.map((one, row) => captionOf(one, looks?.[row]));
    return indices.map((_, place) => ({ captions: captions.slice(place * each, (place + 1) * each) }));
  });
}

/** Where a captioner looked, for each caption of each image; undefined for one that cannot tell. */
async function looksOf(
  model: CaptionModel,
  { image, prompt }: { image: tf.Tensor4D; prompt: (string | null)[] },
  captions: readonly ScoredCaption[],
): Promise<WordLook[][] | undefined> {
  if (!model.lookedAt || captions.some(({ tokens }) => tokens === undefined)) return undefined;
  const each = captions.length / prompt.length;
  const rows = captions.map((_, row) => Math.floor(row / each));
  const images = tf.tidy(() => tf.gather(image, tf.tensor1d(rows, 'int32')));
  try {
    return await model.lookedAt({ image: images, prompt: rows.map((row) => prompt[row]) }, captions);
  } finally {
    images.dispose();
  }
}

function captionOf({ caption, logProbability, tokens }: ScoredCaption, looks?: readonly WordLook[]): Caption {
  if (!tokens) return { text: caption };
  const words = wordsOf(tokens).map(({ word, places }, i): CaptionWord => {
    const sum = places.reduce((all, place) => all + tokens[place].logProbability, 0);
    const look = looks?.[i];
    return { text: word, probability: Math.exp(sum), ...(look ? { looked_at: rowsOf(look) } : {}) };
  });
  return { text: caption, log_probability: logProbability, words };
}

/** Four digits tell enough to draw. */
const rowsOf = ({ weights, rows, columns }: WordLook): number[][] =>
  Array.from({ length: rows }, (_, row) =>
    Array.from(weights.subarray(row * columns, (row + 1) * columns), (weight) =>
      Number(weight.toPrecision(4)),
    ),
  );
