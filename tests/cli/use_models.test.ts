import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import sharp from 'sharp';
import { toFloat32 } from '#src/common/host_tensor.js';
import { lavis } from '../end_to_end/lavis.js';
import { weightsFile } from '../models/family.js';
import { readTensors } from '../models/tiny.js';
import { fixtureJson, temporaryFolder } from '../support.js';
import { type FixtureImages, fixtureImages } from './fixture_images.js';

const folder = temporaryFolder();
process.env.LAVIS_CACHE_ROOT = join(folder, 'cache');

const lines = (text: string) => text.trimEnd().split('\n');
const jsonl = (text: string) => lines(text).map((line) => JSON.parse(line));

describe('lavis ask', () => {
  interface Cases<C> {
    questions: string[];
    cases: C[];
  }
  const ranked = fixtureJson<
    Cases<{ name: string; num_ans_candidates: number; answer_list: string[]; answers: string[] }>
  >('tiny_vqa', 'rank.json');
  const written = fixtureJson<
    Cases<{ name: string; args: { num_beams: number; max_len: number; min_len: number }; answers: string[] }>
  >('tiny_vqa', 'generation.json');
  let images: FixtureImages;
  before(async () => {
    images = await fixtureImages(join(folder, 'vqa'), 'tiny_vqa', 'predict_inputs.safetensors');
  });

  /** The fixture's i-th question about its i-th image, out of all questions about all images. */
  function ownAnswers(stdout: string, questions: readonly string[]): string[] {
    const entries = jsonl(stdout);
    assert.equal(entries.length, images.files.length * questions.length);
    return images.files.map(
      (file, i) => entries.find(({ image, question }) => image === file && question === questions[i]).answer,
    );
  }

  it('chooses the answers of the reference from a list', async () => {
    const asked = ranked.questions.flatMap((question) => ['--question', question]);
    for (const name of ['all', 'top2_distinct_first_tokens']) {
      const { num_ans_candidates, answer_list, answers } = ranked.cases.find((one) => one.name === name)!;
      const list = join(folder, `${name}.txt`);
      writeFileSync(list, `${answer_list.join('\n')}\n\n`);
      const candidates = ['--num-ans-candidates', String(num_ans_candidates)];
      const { code, stdout, stderr } = await lavis(
        ...['ask', ...images.files, ...asked, '--answers', list, ...candidates],
        ...['--format', 'jsonl', ...images.common],
      );
      assert.equal(code, 0, stderr);
      assert.deepEqual(ownAnswers(stdout, ranked.questions), answers);
    }
  });

  it('writes the answers of the reference, whatever the batch', async () => {
    for (const [name, size] of [
      ['beam3_defaults', '8'],
      ['beam2_min4', '4'],
    ]) {
      const { args, answers } = written.cases.find((one) => one.name === name)!;
      const search = [
        '--num-beams',
        args.num_beams,
        '--max-length',
        args.max_len,
        '--min-length',
        args.min_len,
      ];
      const { code, stdout, stderr } = await lavis(
        ...['ask', ...images.files, ...written.questions.flatMap((question) => ['--question', question])],
        ...search.map(String),
        ...['--batch-size', size, '--format', 'jsonl', ...images.common],
      );
      assert.equal(code, 0, stderr);
      assert.deepEqual(ownAnswers(stdout, written.questions), answers, name);
    }
  });

  it('prints text, a table and one document; goes on after what is no image', async () => {
    const broken = join(folder, 'vqa', 'notes.png');
    writeFileSync(broken, 'no image');
    const [first, second] = images.files;
    const one = await lavis('ask', first, broken, '--question', 'what, is it', ...images.common);
    assert.equal(one.code, 1);
    assert.equal(lines(one.stdout).length, 1);
    assert.match(one.stdout, new RegExp(`^${first}: \\w+`));
    assert.match(one.stderr, /notes\.png is passed over/);
    const [answer] = /[^:]+$/.exec(one.stdout.trimEnd())!;
    const csv = await lavis('ask', first, '--question', 'what, is it', '--format', 'csv', ...images.common);
    assert.deepEqual(lines(csv.stdout), ['image,question,answer', `${first},"what, is it",${answer.trim()}`]);
    const two = ['ask', first, second, '--question', 'what', '--question', 'is it sunny'];
    const text = await lavis(...two, ...images.common);
    assert.match(lines(text.stdout)[1], new RegExp(`^${first}: is it sunny \\w+`));
    const json = JSON.parse((await lavis(...two, '--format', 'json', ...images.common)).stdout);
    assert.deepEqual(
      json.map(({ image, question }: Record<string, string>) => [image, question]),
      [first, second].flatMap((file) => ['what', 'is it sunny'].map((question) => [file, question])),
    );
  });

  it('says what is missing or does not go together before anything is loaded', async () => {
    const [image] = images.files;
    const list = join(folder, 'empty.txt');
    writeFileSync(list, '\n \n');
    const cases: [string[], number, RegExp][] = [
      [[image], 2, /--question is needed/],
      [[image, '--question', ' '], 2, /--question is empty/],
      [[image, '--question', 'what', '--inference-method', 'rank'], 2, /--answers FILE/],
      [[image, '--question', 'what', '--answers', list], 1, /a list of answers is empty/],
      [[image, '--question', 'what', '--num-beams', '0'], 1, /numBeams is out of range/],
      [[image, '--question', 'what', '--model', 'blip_caption'], 1, /the model answers no questions/],
    ];
    for (const [argv, code, message] of cases) {
      const models = argv.includes('--model') ? [] : images.common;
      const outcome = await lavis('ask', ...argv, ...models);
      assert.match(outcome.stderr, message);
      assert.equal(outcome.code, code, outcome.stderr);
    }
  });
});

describe('lavis match', () => {
  const { texts, itm_softmax_match } = fixtureJson<{ texts: string[]; itm_softmax_match: number[] }>(
    'tiny_itm',
    'forward.json',
  );
  let images: FixtureImages;
  before(async () => {
    images = await fixtureImages(join(folder, 'itm'), 'tiny_itm');
  });

  it('gives the probabilities and similarities of the reference, best first for each text', async () => {
    const asked = texts.flatMap((text) => ['--text', text]);
    const { code, stdout, stderr } = await lavis(
      ...['match', ...images.files, ...asked, '--format', 'json', ...images.common],
    );
    assert.equal(code, 0, stderr);
    const found = JSON.parse(stdout) as {
      image: string;
      text: string;
      probability: number;
      similarity: number;
    }[];
    const similarities = toFloat32((await readTensors('tiny_itm', 'forward.safetensors')).get('itc_sim')!);
    for (const [i, file] of images.files.entries()) {
      for (const [k, text] of texts.entries()) {
        const { probability, similarity } = found.find((one) => one.image === file && one.text === text)!;
        assert.ok(Math.abs(similarity - similarities[i * texts.length + k]) < 1e-5, `${similarity}`);
        if (i === k) assert.ok(Math.abs(probability - itm_softmax_match[i]) < 1e-5, `${probability}`);
      }
    }
    assert.deepEqual(
      found.map(({ text }) => text),
      texts.flatMap((text) => images.files.map(() => text)),
    );
    for (const [i, one] of found.entries()) {
      if (i % images.files.length > 0) assert.ok(one.probability <= found[i - 1].probability);
    }
  });

  it('sorts the texts of one image, and prints a table of it', async () => {
    const asked = texts.flatMap((text) => ['--text', text]);
    const csv = await lavis('match', images.files[0], ...asked, '--format', 'csv', ...images.common);
    const [head, ...rows] = lines(csv.stdout);
    assert.equal(head, 'image,text,probability,similarity');
    const probabilities = rows.map((row) => Number(row.split(',').at(-2)));
    assert.deepEqual(
      probabilities,
      probabilities.toSorted((a, b) => b - a),
    );
    const text = await lavis('match', images.files[0], '--text', texts[0], ...images.common);
    assert.match(text.stdout, /^match +41\.51 % {2}cosine +-?0\.\d{4} {2}\S+0\.png: a man riding/);
  });
});

describe('lavis search', () => {
  interface Forward {
    texts: string[];
    similarity_image_0_text_0: number[][];
  }
  const { texts, similarity_image_0_text_0: similarities } = fixtureJson<Forward>(
    'tiny_features',
    'forward.json',
  );
  let images: FixtureImages;
  let photos: string;
  before(async () => {
    images = await fixtureImages(join(folder, 'features'), 'tiny_features');
    photos = join(folder, 'features');
  });

  it('ranks a folder by the similarities of the reference', async () => {
    for (const [k, text] of texts.entries()) {
      const { code, stdout, stderr } = await lavis(
        'search',
        photos,
        text,
        '--format',
        'jsonl',
        ...images.common,
      );
      assert.equal(code, 0, stderr);
      assert.equal(/4 of 4 images are new/.test(stderr), k === 0, stderr);
      const wanted = images.files
        .map((image, i) => ({ image, score: similarities[i][k] }))
        .sort((a, b) => b.score - a.score);
      const found = jsonl(stdout);
      assert.deepEqual(
        found.map(({ image }) => image),
        wanted.map(({ image }) => image),
      );
      for (const [i, { score }] of found.entries()) assert.ok(Math.abs(score - wanted[i].score) < 5e-5);
    }
  });

  it('finds an image by itself, and mixes it with a text', async () => {
    const [, second] = images.files;
    const alone = await lavis('search', photos, '--image', second, '--top', '1', ...images.common);
    assert.equal(alone.stdout, `1.0000  ${second}\n`);
    const mixed = await lavis(
      ...['search', photos, texts[0], '--image', second, '--image-weight', '0.25', '--format', 'jsonl'],
      ...images.common,
    );
    const own = jsonl(mixed.stdout).find(({ image }) => image === second);
    assert.ok(Math.abs(own.score - (0.25 + 0.75 * similarities[1][0])) < 5e-5, String(own.score));
  });

  it('reads the text beside the best where the model can, and draws them', async () => {
    const itm = await fixtureImages(join(folder, 'itm'), 'tiny_itm');
    const matched = join(folder, 'itm');
    const forward = fixtureJson<{ texts: string[]; itm_softmax_match: number[] }>('tiny_itm', 'forward.json');
    const sheet = join(folder, 'sheet.png');
    const { code, stdout, stderr } = await lavis(
      ...['search', matched, forward.texts[1], '--rerank', '3', '--format', 'csv', '--sheet', sheet],
      ...itm.common,
    );
    assert.equal(code, 0, stderr);
    const [head, ...rows] = lines(stdout);
    assert.equal(head, 'image,score,probability');
    const probabilities = rows.map((row) => Number(row.split(',')[2]));
    assert.deepEqual(
      probabilities,
      probabilities.toSorted((a, b) => b - a),
    );
    const own = rows.find((row) => row.startsWith(itm.files[1]))!.split(',');
    assert.ok(Math.abs(Number(own[2]) - forward.itm_softmax_match[1]) < 1e-5, own[2]);
    const { width, height } = await sharp(sheet).metadata();
    assert.ok(width === 1270 && height! > 250, `${width} x ${height}`);
    const features = await lavis('search', photos, texts[0], '--rerank', '3', ...images.common);
    assert.match(features.stderr, /does not match texts with images[\s\S]*matchPairs/);
  });

  it('says what is wrong with what it is asked', async () => {
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    const cases: [string[], number, RegExp][] = [
      [[photos], 2, /what is looked for is needed/],
      [[photos, ''], 2, /the text is empty/],
      [[photos, '--image', images.files[0], '--rerank', '3'], 2, /--rerank reads a text/],
      [[photos, 'a cat', '--image-weight', '2', '--image', images.files[0]], 2, /from 0 to 1, not '2'/],
      [[photos, 'a cat', '--top', '0'], 2, /--top is a whole number, at least 1/],
      [[empty, 'a cat'], 1, /there is no image[\s\S]*an empty folder/],
      [[join(folder, 'nowhere'), 'a cat'], 1, /the folder does not exist/],
      [[images.files[0], 'a cat'], 1, /not a folder/],
      [[empty, 'a cat', '--update=false'], 1, /not indexed yet/],
    ];
    for (const [argv, code, message] of cases) {
      const outcome = await lavis('search', ...argv, ...images.common);
      assert.match(outcome.stderr, message);
      assert.equal(outcome.code, code, outcome.stderr);
    }
    const early = await lavis('search', join(folder, 'nowhere'), 'a cat', '--model-type', 'large');
    assert.match(early.stderr, /^DataError: the folder does not exist/); // and not that there are no weights
    const [, , , ...others] = images.common;
    const yaml = images.common.slice(0, 2);
    const foreign = await lavis(
      ...['search', photos, 'a cat', ...yaml, ...others.slice(1), '--checkpoint', weightsFile('tiny_vqa')],
    );
    assert.equal(foreign.code, 1);
    assert.match(foreign.stderr, /CheckpointError[\s\S]*another model, of another architecture/);
  });

  it('keeps its index in the cache', () => {
    const kept = join(folder, 'cache', 'search');
    assert.ok(existsSync(kept) && readdirSync(kept).some((name) => name.startsWith('features-')));
  });
});

describe('lavis zoo', () => {
  it('lists the whole family with its model types and datasets', async () => {
    const { stdout } = await lavis('zoo', '--json');
    const { model, builder } = JSON.parse(stdout) as Record<string, Record<string, string[]>>;
    const ofLavis = {
      blip_caption: ['base_coco', 'large_coco'],
      blip_classification: ['base'],
      blip_feature_extractor: ['base'],
      blip_image_text_matching: ['base', 'large'],
      blip_nlvr: ['nlvr'],
      blip_pretrain: ['base'],
      blip_retrieval: ['coco', 'flickr'],
      blip_vqa: ['vqav2', 'okvqa', 'aokvqa'],
    };
    assert.deepEqual(Object.keys(model), Object.keys(ofLavis));
    // Those for drawn shapes are ours.
    for (const [arch, types] of Object.entries(ofLavis)) {
      assert.deepEqual(
        model[arch].filter((type) => type !== 'shapes'),
        types,
      );
    }
    assert.ok('coco_caption' in builder && builder.coco_caption.includes('default'));
  });
});
