import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setupEngine, tf, valueAndGrads } from '#src/engine/index.js';
import type { BlipCaption } from '#src/models/index.js';
import { images, readTensors, tinyModel } from './tiny.js';

/** What the CPU engine counts of its graphs. */
interface Counting {
  sessions: { profile?: Map<string, { runs: number }> };
}

let model: BlipCaption;
let image: tf.Tensor4D;

before(async () => {
  await setupEngine({ device: 'cpu' });
  model = await tinyModel();
  image = images((await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!, [0, 1]);
});
after(() => image.dispose());

/** How often graphs of each kind are run by `work`. */
async function runsOf(work: () => Promise<unknown> | unknown): Promise<(kind: string) => number> {
  const { sessions } = tf.backend() as unknown as Counting;
  const profile = new Map<string, { runs: number }>();
  sessions.profile = profile;
  try {
    await work();
  } finally {
    sessions.profile = undefined;
  }
  return (kind) =>
    [...profile].reduce((sum, [key, { runs }]) => (key.split(' ')[0] === kind ? sum + runs : sum), 0);
}

test('while a text grows, each part of a decoder layer is one graph', async () => {
  model.eval();
  const length = 12;
  const runs = await runsOf(() =>
    model.generate({ image }, { numBeams: 3, maxLength: length, minLength: length - 1 }),
  );
  const { layers } = model.textDecoder.config;
  const steps = length - model.promptLength; // the first reads the prompt
  assert.equal(runs('AttentionPart'), 2 * layers * steps);
  assert.equal(runs('FeedForwardPart'), layers * steps);
  assert.equal(runs('RememberedPart'), layers * (steps - 1));
  assert.equal(runs('Attention'), 0);
});

test('training takes the smaller operations, which have gradients', async () => {
  model.train();
  const runs = await runsOf(() => {
    const texts = ['a dog', 'a cat'];
    const { value, grads } = valueAndGrads(
      () => model.forward({ image, text_input: texts }).loss,
      model.namedParameters(),
    );
    tf.dispose([value, ...grads.values()]);
  });
  for (const kind of ['AttentionPart', 'FeedForwardPart', 'RememberedPart']) assert.equal(runs(kind), 0);
  assert.ok(runs('Attention') > 0);
});
