import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import type { HostTensor } from '#src/common/host_tensor.js';
import { tf } from '#src/engine/index.js';
import { resolveOptions } from '#src/models/generation/options.js';
import { type BlipCaption, type GenerateOptions, generateIds } from '#src/models/index.js';
import { onEveryEngine } from './engines.js';
import { images, readTensors, tinyModel } from './tiny.js';

const PROMPTS = ['a picture of ', 'two', 'a picture of a cat', 'two dogs'];

onEveryEngine('texts written beside encoded states', () => {
  let model: BlipCaption;
  let states: tf.Tensor3D;

  before(async () => {
    model = (await tinyModel()).eval();
    const pictures: HostTensor = (await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!;
    const image = images(pictures);
    states = tf.tidy(() => model.visualEncoder.forward(image));
    image.dispose();
  });
  after(() => {
    states.dispose();
    model.dispose();
  });

  const promptsOf = (texts: readonly string[]) => {
    const { bosId } = model.tokenizer;
    return texts.map((text) => [bosId, ...model.tokenizer.encode(text).slice(1, -1)]);
  };
  async function write(
    beside: { states: tf.Tensor; statesMask?: number[][] },
    prompts: number[][],
    options: GenerateOptions,
  ) {
    const { sepId: eos, padId: pad } = model.tokenizer;
    const longest = Math.max(...prompts.map(({ length }) => length));
    const resolved = resolveOptions({ maxLength: 14, ...options }, longest, model.textDecoder.config);
    return generateIds(model.textDecoder, { ...beside, prompts }, { eos, pad }, resolved);
  }
  const withoutPadding = (ids: number[]) => ids.slice(0, ids.findLastIndex((id) => id !== 0) + 1);

  for (const [name, options] of Object.entries({
    'beam search': { numBeams: 3 },
    'greedy search': { numBeams: 1, minLength: 0 },
    'two captions each': { numBeams: 2, numCaptions: 2 },
  })) {
    it(`go on with a prompt of their own, as each does alone: ${name}`, async () => {
      const prompts = promptsOf(PROMPTS);
      const together = await write({ states }, prompts, options);
      const captions = together.sequences.length / prompts.length;
      for (const [i, prompt] of prompts.entries()) {
        const one = states.slice([i, 0, 0], [1, -1, -1]);
        const alone = await write({ states: one }, [prompt], options);
        one.dispose();
        const rows = together.sequences.slice(i * captions, (i + 1) * captions);
        assert.deepEqual(rows.map(withoutPadding), alone.sequences.map(withoutPadding));
        assert.deepEqual(rows[0].slice(0, prompt.length), prompt);
        if (alone.scores) {
          assert.ok(Math.abs(together.scores![i * captions] - alone.scores[0]) < 1e-4);
          assert.deepEqual(together.hypotheses![i * captions][0].ids, alone.hypotheses![0][0].ids);
        }
      }
    });
  }

  it('do not see states that are masked', async () => {
    const prompts = promptsOf(['two', 'two', 'two', 'two']);
    const noise = tf.randomNormal([4, 5, states.shape[2]], 0, 9, 'float32', 1);
    const padded = tf.concat([states, noise], 1);
    const mask = Array.from({ length: 4 }, () =>
      Array.from({ length: padded.shape[1]! }, (_, i) => (i < states.shape[1] ? 1 : 0)),
    );
    const [plain, masked, seen] = [
      await write({ states }, prompts, { numBeams: 3 }),
      await write({ states: padded, statesMask: mask }, prompts, { numBeams: 3 }),
      await write({ states: padded }, prompts, { numBeams: 3 }),
    ];
    assert.deepEqual(masked.sequences, plain.sequences);
    plain.scores!.forEach((score, i) => {
      assert.ok(Math.abs(masked.scores![i] - score) < 1e-4);
    });
    assert.notDeepEqual(seen.scores, plain.scores);
    const text = model.readTexts(['a dog', 'two cats', 'a cat', 'two dogs']);
    const logits = (beside: { states: tf.Tensor; statesMask?: number[][] }) =>
      tf.tidy(() => model.textDecoder.forward(text, beside).dataSync());
    const [whole, part] = [logits({ states }), logits({ states: padded, statesMask: mask })];
    whole.forEach((value, i) => {
      assert.ok(Math.abs(value - part[i]) < 2e-4);
    });
    tf.dispose([noise, padded]);
  });
});
