import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { toFloat32 } from '#src/common/host_tensor.js';
import { readTensors } from '../models/tiny.js';
import { fixtureJson, temporaryFolder } from '../support.js';
import { type TinyServer, tinyServer } from './tiny_server.js';

const folder = temporaryFolder();
process.env.LAVIS_CACHE_ROOT = join(folder, 'cache');

interface Captioned {
  captions: { text: string }[];
}

describe('lavis serve answers as the reference does', () => {
  let tiny: TinyServer;
  before(async () => {
    tiny = await tinyServer(folder, {
      fixtures: ['tiny_caption', 'tiny_vqa', 'tiny_itm'],
      photos: join(folder, 'itm'),
    });
  });
  after(() => tiny.server.end());

  const { cases } = fixtureJson<{
    cases: { name: string; args: Record<string, number>; captions: string[] }[];
  }>('tiny_caption', 'generation.json');
  const beam = cases.find(({ name }) => name === 'beam3_run_yaml')!;

  it('captions, several requests in one batch', async () => {
    const answers = await Promise.all(
      beam.captions.map((_, i) =>
        tiny.post('/v1/caption', { image: tiny.image('tiny_caption', i), ...beam.args }),
      ),
    );
    for (const [i, answer] of answers.entries()) {
      const { model, captions } = (await answer.json()) as Captioned & { model: string };
      assert.equal(answer.status, 200);
      assert.equal(model, 'tiny_caption');
      assert.deepEqual(
        captions.map(({ text }) => text),
        [beam.captions[i]],
      );
    }
    const metrics = await (await fetch(`${tiny.url}/metrics`)).text();
    const [, sum] = /lavis_batch_size_sum\{use="caption"\} (\d+)/.exec(metrics)!;
    const [, count] = /lavis_batch_size_count\{use="caption"\} (\d+)/.exec(metrics)!;
    assert.equal(Number(sum), beam.captions.length);
    assert.ok(Number(count) < beam.captions.length, `${count} batches of ${sum} requests`);
  });

  it('takes forms with the picture as a file', async () => {
    const form = new FormData();
    form.set('image', new Blob([readFileSync(tiny.images.tiny_caption!.files[1])]), 'photo.png');
    for (const [name, value] of Object.entries(beam.args)) form.set(name, String(value));
    const answer = await fetch(`${tiny.url}/v1/caption`, { method: 'POST', body: form });
    const { captions } = (await answer.json()) as Captioned;
    assert.equal(captions[0].text, beam.captions[1]);
  });

  it('streams what happens as lines of JSON', async () => {
    const greedy = cases.find(({ name }) => name === 'greedy')!;
    const body = { image: tiny.image('tiny_caption', 0), ...greedy.args, stream: true };
    const answer = await tiny.post('/v1/caption', body);
    assert.match(answer.headers.get('content-type')!, /^application\/x-ndjson/);
    const events = (await answer.text())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(events.slice(0, 2), [{ event: 'queued', ahead: 0 }, { event: 'started' }]);
    const texts = events.filter(({ event }) => event === 'text').map(({ text }) => text);
    assert.ok(texts.length > 5);
    for (const text of texts) assert.ok(greedy.captions[0].startsWith(text), text);
    assert.equal(events.at(-1).event, 'done');
    assert.equal(events.at(-1).captions[0].text, greedy.captions[0]);
  });

  it('tells how sure it was of each word, and what each looked at', async () => {
    const body = { image: tiny.image('tiny_caption', 2), ...beam.args, num_captions: 2, explain: true };
    const { captions } = (await (await tiny.post('/v1/caption', body)).json()) as {
      captions: {
        text: string;
        log_probability: number;
        words: { text: string; probability: number; looked_at: number[][] }[];
      }[];
    };
    assert.equal(captions[0].text, beam.captions[2]);
    assert.equal(captions.length, 2);
    for (const { text, log_probability, words } of captions) {
      assert.equal(words.map((word) => word.text).join(' '), text);
      assert.ok(log_probability < 0);
      for (const { probability, looked_at } of words) {
        assert.ok(probability > 0 && probability <= 1);
        assert.deepEqual(
          looked_at.map(({ length }) => length),
          [4, 4, 4, 4],
        ); // 64 pixels in patches of 16
        const all = looked_at.flat().reduce((a, b) => a + b, 0);
        assert.ok(all > 0 && all < 1.001, `${all}`);
      }
    }
  });

  it('draws the same captions for the same seed, whatever else is asked', async () => {
    const ask = (image: number, seed: number) =>
      tiny
        .post('/v1/caption', { image: tiny.image('tiny_caption', image), nucleus: true, seed })
        .then((answer) => answer.json() as Promise<Captioned>);
    const [alone] = [await ask(1, 7)];
    const [, again] = await Promise.all([ask(0, 7), ask(1, 7), ask(2, 7)]);
    assert.deepEqual(again, alone);
  });

  it('answers questions, one or several', async () => {
    const { questions, cases } = fixtureJson<{
      questions: string[];
      cases: {
        name: string;
        args: { num_beams: number; max_len: number; min_len: number };
        answers: string[];
      }[];
    }>('tiny_vqa', 'generation.json');
    const { args, answers } = cases.find(({ name }) => name === 'beam3_defaults')!;
    const search = { num_beams: args.num_beams, max_length: args.max_len, min_length: args.min_len };
    const answer = await tiny.post('/v1/ask', {
      image: tiny.image('tiny_vqa', 0),
      question: questions,
      ...search,
    });
    const found = (await answer.json()) as { answers: { question: string; answer: string }[] };
    assert.deepEqual(found.answers[0], { question: questions[0], answer: answers[0] });
    assert.equal(found.answers.length, questions.length);
  });

  it('chooses an answer from a list', async () => {
    const { questions, cases } = fixtureJson<{
      questions: string[];
      cases: { name: string; answer_list: string[]; num_ans_candidates: number; answers: string[] }[];
    }>('tiny_vqa', 'rank.json');
    const { answer_list, num_ans_candidates, answers } = cases.find(({ name }) => name === 'all')!;
    const asked = {
      image: tiny.image('tiny_vqa', 1),
      question: questions[1],
      answers: answer_list,
      num_ans_candidates,
    };
    const found = (await (await tiny.post('/v1/ask', asked)).json()) as { answers: { answer: string }[] };
    assert.equal(found.answers[0].answer, answers[1]);
  });

  const itm = fixtureJson<{ texts: string[]; itm_softmax_match: number[] }>('tiny_itm', 'forward.json');

  it('matches texts with images; the features have the same cosines', async () => {
    const similarities = toFloat32((await readTensors('tiny_itm', 'forward.safetensors')).get('itc_sim')!);
    for (const [i, text] of itm.texts.entries()) {
      const image = tiny.image('tiny_itm', i);
      const matched = (await (await tiny.post('/v1/match', { image, text })).json()) as {
        matches: { probability: number; similarity: number }[];
      };
      assert.ok(Math.abs(matched.matches[0].probability - itm.itm_softmax_match[i]) < 1e-5);
      const expected = similarities[i * itm.texts.length + i];
      assert.ok(Math.abs(matched.matches[0].similarity - expected) < 1e-5);
      const features = (await (await tiny.post('/v1/features', { image, text })).json()) as {
        image: number[];
        text: number[];
        similarity: number;
      };
      assert.ok(Math.abs(features.similarity - expected) < 1e-5);
      assert.ok(Math.abs(Math.hypot(...features.image) - 1) < 1e-5);
      assert.equal(features.text.length, features.image.length);
    }
  });

  it('searches the folder by a text and by an image, and shows what it found', async () => {
    const byImage = (await (
      await tiny.post('/v1/search', { image: tiny.image('tiny_itm', 1), top: 2 })
    ).json()) as { images: number; results: { path: string; score: number }[] };
    assert.equal(byImage.images, tiny.images.tiny_itm!.files.length);
    assert.equal(byImage.results.length, 2);
    assert.equal(byImage.results[0].path, '1.png');
    assert.ok(Math.abs(byImage.results[0].score - 1) < 1e-5);
    const byText = (await (
      await tiny.post('/v1/search', { text: itm.texts[0], top: 1, rerank: 4 })
    ).json()) as { results: { probability: number }[] };
    assert.ok(byText.results[0].probability > 0);
    const photo = await fetch(`${tiny.url}/v1/photos?path=1.png`);
    assert.equal(photo.headers.get('content-type'), 'image/jpeg');
    const { photos } = (await (await fetch(`${tiny.url}/v1/photos`)).json()) as { photos: string[] };
    assert.ok(photos.includes('1.png'));
  });

  it('says what is loaded, whether it lives and is ready, and describes itself', async () => {
    const { models } = (await (await fetch(`${tiny.url}/v1/models`)).json()) as { models: unknown };
    assert.deepEqual(models, [
      { name: 'tiny_caption', uses: ['caption'] },
      { name: 'tiny_vqa', uses: ['ask'] },
      { name: 'tiny_itm', uses: ['match', 'features', 'search'] },
    ]);
    assert.equal((await fetch(`${tiny.url}/healthz`)).status, 200);
    assert.deepEqual(await (await fetch(`${tiny.url}/readyz`)).json(), {
      status: 'ready',
      workers: 1,
      ready: 1,
    });
    const description = (await (await fetch(`${tiny.url}/openapi.json`)).json()) as {
      openapi: string;
      paths: Record<string, { post?: { requestBody: { content: object } } }>;
    };
    assert.equal(description.openapi, '3.1.0');
    for (const use of ['caption', 'ask', 'match', 'features', 'search']) {
      const types = Object.keys(description.paths[`/v1/${use}`].post!.requestBody.content);
      assert.deepEqual(types, ['application/json', 'multipart/form-data']);
    }
  });
});

describe('a server without a model for it', () => {
  it('says how to start one that has it', async () => {
    const tiny = await tinyServer(join(folder, 'alone'), { fixtures: ['tiny_itm'] });
    after(() => tiny.server.end());
    const answer = await tiny.post('/v1/caption', { image: tiny.image('tiny_itm', 0) });
    assert.equal(answer.status, 501);
    const { error } = (await answer.json()) as { error: { code: string; help: string } };
    assert.equal(error.code, 'not_loaded');
    assert.equal(error.help, 'lavis serve --model blip_caption');
    const search = await tiny.post('/v1/search', { text: 'a red wall' });
    assert.equal(search.status, 501);
  });

  it('shows a folder that it cannot search', async () => {
    const parent = join(folder, 'shown');
    const tiny = await tinyServer(parent, { fixtures: ['tiny_caption'], photos: join(parent, 'caption') });
    after(() => tiny.server.end());
    const { photos } = (await (await fetch(`${tiny.url}/v1/photos`)).json()) as { photos: string[] };
    assert.deepEqual(photos, ['0.png', '1.png', '2.png']);
    const file = await fetch(`${tiny.url}/v1/photos?path=1.png&original=true`);
    assert.equal(Buffer.from(await file.arrayBuffer()).toString('base64'), tiny.image('tiny_caption', 1));
    assert.equal((await tiny.post('/v1/search', { text: 'a red wall' })).status, 501);
  });
});
