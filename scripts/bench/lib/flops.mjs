/**
 * Useful floating-point operations: those of the matrix products that the result needs, a multiplication and
 * an addition counted as two. Left out: whatever is computed again (recompute, attention's probabilities in
 * the backward pass), and all that is no product (normalization, GELU, softmax, dropout, AdamW).
 */

/** The sizes that count, of a BlipCaption. */
export function sizesOf({ visualEncoder, textDecoder, promptLength }) {
  const { imageSize, patchSize, width, depth } = visualEncoder.config;
  const { hiddenSize, intermediateSize, layers, vocabSize } = textDecoder.config;
  const patches = (imageSize / patchSize) ** 2;
  return {
    ...{ patches, patchValues: 3 * patchSize ** 2, tokens: patches + 1, width, depth },
    ...{ hidden: hiddenSize, intermediate: intermediateSize, layers, vocabulary: vocabSize },
    prompt: promptLength,
  };
}

const patchProduct = (s, images) => 2 * images * s.patches * s.patchValues * s.width;

/** Per block: query, key, value and projection 4 D x D, the MLP 8; scores and their sums of values. */
const visionBlocks = (s, images) =>
  s.depth * (2 * images * s.tokens * 12 * s.width ** 2 + 4 * images * s.tokens ** 2 * s.width);

/** Keys and values of the image for the cross-attention of every layer. */
const imageMemory = (s, images) => s.layers * 2 * images * s.tokens * 2 * s.width * s.hidden;

const wordProjections = (s, words) =>
  s.layers * 2 * words * (6 * s.hidden ** 2 + 2 * s.hidden * s.intermediate);

/** Scores and their sums of values. */
const wordAttention = (s, words, seen) => s.layers * 4 * words * (s.tokens + seen) * s.hidden;

/** `words` positions through all layers, each attending to `seen` positions of the text and to the image. */
const wordLayers = (s, words, seen) => wordProjections(s, words) + wordAttention(s, words, seen);

const head = (s, words) => 2 * words * (s.hidden ** 2 + s.hidden * s.vocabulary);

/**
 * How often the products of each part are made in a step: forward once, backward once for the gradient of what goes
 * in and once for that of the weights. Beside a frozen image encoder nobody asks for the gradient of embeddings;
 * beside adapters, whose own products are left out here, for none of whole weights.
 */
const TIMES = {
  full: { vision: 3, patches: 2, memory: 3, words: 3, labels: 2 },
  frozen: { vision: 1, patches: 1, memory: 2, words: 3, labels: 2 },
  remembered: { vision: 0, patches: 0, memory: 2, words: 3, labels: 2 },
  lora: { vision: 1, patches: 1, memory: 1, words: 2, labels: 1 },
  'lora-remembered': { vision: 0, patches: 0, memory: 1, words: 2, labels: 1 },
};

/**
 * One training step. Pixels need no gradient; positions without a label need none of their logits.
 * @param text tokens of each caption
 * @param tune what is trained, of `TUNES`
 */
export function stepFlops(s, { images, text, tune = 'full' }) {
  const words = images * text;
  const labels = images * (text - s.prompt);
  const times = TIMES[tune];
  return (
    times.vision * visionBlocks(s, images) +
    times.patches * patchProduct(s, images) +
    times.memory * imageMemory(s, images) +
    times.words * wordProjections(s, words) +
    3 * wordAttention(s, words, (text + 1) / 2) +
    head(s, words) +
    times.labels * head(s, labels)
  );
}

/**
 * A beam search that runs to its last word: the image is encoded once, the prompt read once an image, then
 * one word of each beam at a time. The last word is not read.
 */
export function captionFlops(s, { images, beams, maxLength }) {
  let total = patchProduct(s, images) + visionBlocks(s, images) + imageMemory(s, images);
  total += wordLayers(s, images * s.prompt, (s.prompt + 1) / 2) + head(s, images);
  for (let length = s.prompt + 1; length < maxLength; length++)
    total += wordLayers(s, images * beams, length) + head(s, images * beams);
  return total;
}
