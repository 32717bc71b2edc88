/**
 * Captions with a folder that `lavis export` wrote: beam search over onnxruntime-node or onnxruntime-web, nothing else.
 * @param ort the runtime's module
 * @param read gives a file of the folder, by its name in it: bytes or an ArrayBuffer
 * @param dtype which files: 'fp32', 'fp16' or 'q8'
 */
export async function loadCaptioner(ort, read, dtype = 'fp32') {
  const text = async (name) => new TextDecoder().decode(await read(name));
  const config = JSON.parse(await text('lavis_captioner.json'));
  const { image, prompt, special_ids: special, eos_id: eos, generation } = config;
  const words = (await text('vocab.txt')).split('\n');
  const open = async (name) => ort.InferenceSession.create(new Uint8Array(await read(name)));
  const encoder = await open(config.files[dtype].encoder);
  const decoder = await open(config.files[dtype].decoder);
  const nothing = Object.fromEntries(
    config.cache.map((name) => [name, new ort.Tensor('float32', [], [1, config.heads, 0, config.head_size])]),
  );
  const rows = (tensor, which) => {
    const size = tensor.size / tensor.dims[0];
    const data = new Float32Array(size * which.length);
    for (const [i, row] of which.entries())
      data.set(tensor.data.subarray(row * size, (row + 1) * size), i * size);
    return new ort.Tensor('float32', data, [which.length, ...tensor.dims.slice(1)]);
  };
  /** RGBA of an image of the model's size, as a canvas gives it -> [1, 3, size, size], normalised. */
  const pixels = (rgba) => {
    const plane = image.size ** 2;
    const data = Float32Array.from({ length: 3 * plane }, (_, i) => {
      const channel = Math.floor(i / plane);
      return (rgba[4 * (i % plane) + channel] / 255 - image.mean[channel]) / image.std[channel];
    });
    return new ort.Tensor('float32', data, [1, 3, image.size, image.size]);
  };
  /** The likeliest words after each text: { id, beam, sum }, the sum with what the text had before. */
  const continuations = ({ data, dims: [beams, length, size] }, sums, count, banned) =>
    sums.slice(0, beams).flatMap((before, beam) => {
      const last = (beam * length + length - 1) * size;
      const scores = data.slice(last, last + size);
      const most = scores.reduce((a, b) => Math.max(a, b));
      const total = most + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - most), 0));
      if (banned !== undefined) scores[banned] = Number.NEGATIVE_INFINITY;
      const best = [];
      for (let id = 0; id < size; id++) {
        if (best.length === count && scores[id] <= scores[best[count - 1]]) continue;
        const at = best.findLastIndex((other) => scores[other] >= scores[id]) + 1;
        best.splice(at, 0, id);
        best.length = Math.min(best.length, count);
      }
      return best.map((id) => ({ id, beam, sum: Math.fround(before + Math.fround(scores[id] - total)) }));
    });
  const decode = (ids) =>
    ids
      .reduce((said, id) => {
        const word = special.includes(id) ? '' : (words[id] ?? '');
        return said + (word.startsWith('##') ? word.slice(2) : word && ` ${word}`);
      }, '')
      .slice(1)
      .replace(/ ([.?!,])/g, '$1')
      .replaceAll(" ' ", "'")
      .replace(/ (n't|'m|'s|'ve|'re)/g, '$1');
  /** @param pixelValues what `pixels` gave @returns the captions, best first: { text, ids, score } */
  async function caption(pixelValues, options = {}) {
    const { numBeams, maxLength, minLength, lengthPenalty = 1 } = { ...generation, ...options };
    const { last_hidden_state: states } = await encoder.run({ pixel_values: pixelValues });
    let [texts, sums, past, done] = [[prompt.ids], [0], nothing, []];
    const finish = (ids, sum) => {
      done.push({ ids, score: sum / ids.length ** lengthPenalty });
      done = done.sort((a, b) => b.score - a.score).slice(0, numBeams);
    };
    while (texts[0].length < maxLength) {
      const first = past === nothing;
      const ids = BigInt64Array.from(first ? prompt.ids : texts.map((one) => one.at(-1)), BigInt);
      const feeds = {
        input_ids: new ort.Tensor('int64', ids, [texts.length, ids.length / texts.length]),
        use_cache_branch: new ort.Tensor('bool', [!first], [1]),
        encoder_hidden_states: rows(states, Array(texts.length).fill(0)),
      };
      const out = await decoder.run({ ...feeds, ...past });
      const length = texts[0].length;
      const found = continuations(out.logits, sums, 2 * numBeams, length < minLength ? eos : undefined);
      const best = found.sort((a, b) => b.sum - a.sum).slice(0, 2 * numBeams);
      for (const { id, beam, sum } of best.slice(0, numBeams)) if (id === eos) finish(texts[beam], sum);
      const going = best.filter(({ id }) => id !== eos).slice(0, numBeams);
      if (done.length === numBeams && done.at(-1).score >= best[0].sum / length ** lengthPenalty) break;
      const parents = going.map(({ beam }) => beam);
      past = Object.fromEntries(
        config.cache.map((name) => {
          // The image's are made in the first step, once for all beams.
          if (name.includes('.encoder.') && !first && past[name].dims[0] === parents.length)
            return [name, past[name]];
          return [name, rows(out[name.replace('past_key_values', 'present')], parents)];
        }),
      );
      [texts, sums] = [going.map(({ beam, id }) => [...texts[beam], id]), going.map(({ sum }) => sum)];
      if (texts[0].length >= maxLength) for (const [i, one] of texts.entries()) finish(one, sums[i]);
    }
    return done.map((one) => ({ ...one, text: decode(one.ids).slice(prompt.text.length) }));
  }
  return { caption, pixels, config };
}
