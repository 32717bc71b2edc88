import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import type { BlipCaption, WrittenText } from '#src/models/index.js';
import { fixtureJson } from '../support.js';
import { images, readTensors, tinyModel } from './tiny.js';

const { cases } = fixtureJson<{ cases: { name: string; captions: string[] }[] }>(
  'tiny_caption',
  'generation.json',
);
let model: BlipCaption;
let image: ReturnType<typeof images>;
before(async () => {
  model = (await tinyModel()).eval() as BlipCaption;
  image = images((await readTensors('tiny_caption', 'generation_inputs.safetensors')).get('image')!);
});

it('greedy captions grow word by word into what is given back', async () => {
  const steps: (readonly WrittenText[])[] = [];
  const captions = await model.generate(
    { image },
    {
      ...{ numBeams: 1, maxLength: 20, minLength: 5 },
      onStep: (texts) => {
        steps.push(texts);
      },
    },
  );
  assert.deepEqual(captions, cases.find(({ name }) => name === 'greedy')!.captions);
  for (const [i, caption] of captions.entries()) {
    const own = steps.flatMap((texts) => texts.filter((text) => text.image === i).map(({ text }) => text));
    assert.ok(own.length > 3);
    for (const text of own) assert.ok(caption.startsWith(text), `${text} | ${caption}`);
    assert.equal(own.at(-1), caption);
  }
});

it('sampled captions and beams are told with their places; prompts of other lengths keep them', async () => {
  const places = new Set<string>();
  const onStep = (texts: readonly WrittenText[]) => {
    for (const { image: place, caption } of texts) places.add(`${place} ${caption}`);
  };
  const count = image.shape[0];
  const all = Array.from({ length: count }, (_, place) => [`${place} 0`, `${place} 1`]).flat();
  await model.generate({ image }, { useNucleusSampling: true, seed: 1, numReturnSequences: 2, onStep });
  assert.deepEqual([...places].sort(), all);
  places.clear();
  const prompt = ['a picture of ', 'a ', 'a picture of a '];
  await model.generate({ image, prompt }, { numBeams: 3, numReturnSequences: 2, onStep });
  assert.deepEqual([...places].sort(), all);
});

it('what it throws ends the generation', async () => {
  let steps = 0;
  const onStep = async () => {
    if (++steps === 2) throw new Error('nobody waits');
  };
  await assert.rejects(model.generate({ image }, { onStep }), /nobody waits/);
  assert.equal(steps, 2);
});
