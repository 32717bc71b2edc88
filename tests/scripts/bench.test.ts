import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { tf, valueAndGrads } from '#src/engine/index.js';
import type { BlipCaption } from '#src/models/index.js';
import { fixture } from '../support.js';

interface Sizes {
  hidden: number;
  layers: number;
  vocabulary: number;
  prompt: number;
}

interface Bench {
  median(values: number[]): number;
  spread(values: number[]): number;
  sizesOf(model: BlipCaption): Sizes;
  stepFlops(sizes: Sizes, work: { images: number; text: number; tune: string }): number;
  makeCaptioner(options: object): Promise<BlipCaption>;
}

const part = (name: string) => import(pathToFileURL(resolve('scripts/bench/lib', name)).href);
const bench: Bench = {
  ...(await part('statistics.mjs')),
  ...(await part('flops.mjs')),
  ...(await part('captioner.mjs')),
};

test('the median of two rounds is their mean', () => {
  assert.deepEqual([bench.median([3, 1]), bench.median([4, 1, 2]), bench.median([4, 2, 1, 3])], [2, 2, 2.5]);
  assert.equal(bench.spread([9, 10, 11]), 20);
});

/** Operations of the products that ran. */
function productsOf({ kernels }: Awaited<ReturnType<typeof tf.profile>>): number {
  const products = kernels.filter(({ name }) => /MatMul/.test(name));
  return products.reduce((sum, { inputShapes, outputShapes: [out] }) => {
    const [first] = Object.values(inputShapes);
    const inner = tf.util.sizeFromShape(first) / tf.util.sizeFromShape(out.slice(0, -1));
    return sum + 2 * tf.util.sizeFromShape(out) * inner;
  }, 0);
}

const TUNES = ['full', 'frozen', 'remembered'];

for (const tune of TUNES) {
  test(`the useful operations of a step are the products that it takes, less what it computes in vain: ${tune}`, async () => {
    await tf.setBackend('cpu');
    const vocab = fixture('tiny_caption', 'vocab.txt');
    const model = await bench.makeCaptioner({ size: 'small', image: 32, vocab, tune });
    model.train();
    const sizes = bench.sizesOf(model);
    const [images, caption] = [2, 'a picture of a dog'];
    const image = tf.randomNormal<tf.Rank.R4>([images, 32, 32, 3]);
    const image_embeds = tune === 'remembered' ? model.imageEncoding().encode(image) : undefined;
    const seen = image_embeds ? { image_embeds } : { image };
    let text = 0;
    const profile = await tf.profile(() => {
      const { value, grads } = valueAndGrads(() => {
        const output = model.forward({ ...seen, text_input: Array(images).fill(caption) });
        text = output.intermediateOutput.decoderOutput.logits.shape[1];
        return output.loss;
      }, model.namedParameters());
      tf.dispose([...grads.values()]);
      return value;
    });
    const { hidden, layers, vocabulary, prompt } = sizes;
    // Words that a word may not see yet, and the logits that no label asks for.
    const unseen = 3 * layers * 4 * images * text * (text - (text + 1) / 2) * hidden;
    const unlabelled = 2 * 2 * images * prompt * (hidden ** 2 + hidden * vocabulary);
    const useful = bench.stepFlops(sizes, { images, text, tune });
    assert.equal(useful + unseen + unlabelled, productsOf(profile));
    model.dispose();
  });
}
