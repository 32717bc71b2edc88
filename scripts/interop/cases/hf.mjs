/**
 * A captioner that was trained here, in Hugging Face's transformers and in transformers.js (in Node); transformers' folder, here:
 * keys that are missing or unexpected, the largest differences of logits (at most 1e-4), greedy captions (equal).
 *
 *     node scripts/interop/index.mjs hf --cfg-path run.yaml --checkpoint checkpoint_best.pth --photos FOLDER
 *
 * PyTorch, the newest transformers 4 and 5, and transformers.js are installed below --folder, once.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { openCheckpoint, saveSafetensors } from '../../../dist/checkpoint/index.js';
import { Config, registry, setupEngine, tf } from '../../../dist/index.js';
import { imageProcessorOf } from '../../../dist/processors/index.js';

const { values: args } = parseArgs({
  options: {
    'cfg-path': { type: 'string' },
    checkpoint: { type: 'string' },
    photos: { type: 'string' },
    folder: { type: 'string', default: 'build/interop' },
    python: { type: 'string', default: 'python3' },
  },
});
const here = dirname(fileURLToPath(import.meta.url));
const home = resolve(args.folder);
const run = (command, ...rest) => execFileSync(command, rest, { stdio: ['ignore', 'inherit', 'inherit'] });

const lavis = (...rest) => run(process.execPath, join(here, '../../../bin/lavis.js'), ...rest);

/** Whatever is lacking of what is compared with. */
function install() {
  mkdirSync(home, { recursive: true });
  const python = join(home, 'venv', 'bin', 'python');
  if (!existsSync(python)) {
    run(args.python, '-m', 'venv', join(home, 'venv'));
    run(python, '-m', 'pip', 'install', '-q', 'torch', 'numpy', 'pillow', 'safetensors');
  }
  for (const [name, wanted] of [
    ['t4', 'transformers>=4,<5'],
    ['t5', 'transformers>=5,<6'],
  ]) {
    if (!existsSync(join(home, name)))
      run(python, '-m', 'pip', 'install', '-q', '--target', join(home, name), wanted);
  }
  const js = join(home, 'js');
  if (!existsSync(join(js, 'node_modules', '@huggingface', 'transformers'))) {
    mkdirSync(js, { recursive: true });
    writeFileSync(join(js, 'package.json'), '{"private": true}');
    execFileSync('npm', ['install', '--ignore-scripts', '@huggingface/transformers'], {
      cwd: js,
      stdio: 'inherit',
    });
  }
  return { python, js };
}

/** ids and mask of [DEC] text [SEP], padded. */
function padded(rows) {
  const width = Math.max(...rows.map((row) => row.length));
  const values = (value) =>
    Int32Array.from(rows.flatMap((row) => [...Array(width).keys()].map((i) => value(row, i))));
  return { width, ids: values((row, i) => row[i] ?? 0), mask: values((row, i) => (i < row.length ? 1 : 0)) };
}

async function logitsOf(model, image, texts) {
  const out = tf.tidy(() => {
    const { loss: _, ...rest } = model.forward({ image, text_input: texts });
    return rest.intermediateOutput.decoderOutput.logits;
  });
  const values = await out.data();
  const shape = out.shape;
  out.dispose();
  return { values, shape };
}

/** Over tokens that are not padding. */
function farthest(ours, theirs, mask) {
  const size = ours.length / mask.length;
  let worst = 0;
  for (let i = 0; i < ours.length; i++) {
    if (mask[Math.floor(i / size)]) worst = Math.max(worst, Math.abs(ours[i] - theirs[i]));
  }
  return worst;
}

async function readLogits(file) {
  const checkpoint = await openCheckpoint(file);
  const { data } = await checkpoint.stateDict().get('logits').read();
  await checkpoint.close();
  return data;
}

const faults = [];
const must = (holds, what) => {
  console.log(`${holds ? 'ok ' : 'NOT'} ${what}`);
  if (!holds) faults.push(what);
};

const { python, js } = install();
await setupEngine({ device: 'cpu' });
const config = await Config.fromFile(args['cfg-path'], [
  'model.load_finetuned=True',
  `model.finetuned=${resolve(args.checkpoint)}`,
]);
const model = (await registry.getModelClass('blip_caption').fromConfig(config.model)).eval();
const [[name, section]] = Object.entries(config.datasets);
const processor = imageProcessorOf({ name, section }, 'eval');
const photos = readdirSync(args.photos, { recursive: true })
  .filter((file) => /\.jpe?g$/.test(file))
  .sort()
  .slice(0, 10)
  .map((file) => join(args.photos, file));
const pixels = await Promise.all(photos.map((photo) => processor.process(photo)));
const shape = [photos.length, ...pixels[0].shape];
const image = tf.tensor4d(Float32Array.from(pixels.flatMap(({ data }) => [...data])), shape);
const greedy = await model.generateDetailed({ image }, { numBeams: 1, maxLength: 20, minLength: 1 });
const texts = greedy.captions.map((caption) => `${model.prompt}${caption}`);

const folder = mkdtempSync(join(tmpdir(), 'lavis-interop-'));
try {
  lavis('convert', args.checkpoint, join(folder, 'ours'), '--to', 'hf', '--cfg-path', args['cfg-path']);
  const { bosId } = model.tokenizer;
  const encoded = texts.map((text) => model.tokenizer.encode(text));
  const { width, ids, mask } = padded(encoded.map(([, ...rest]) => [bosId, ...rest]));
  const rows = [texts.length, width];
  const tensors = new Map([
    ['pixels', { dtype: 'float32', shape, data: await image.data() }],
    ['ids', { dtype: 'int32', shape: rows, data: ids }],
    ['mask', { dtype: 'int32', shape: rows, data: mask }],
  ]);
  await saveSafetensors(join(folder, 'inputs.safetensors'), tensors);
  const prompt = model.tokenizer.encode(model.prompt);
  writeFileSync(join(folder, 'texts.json'), JSON.stringify({ texts, prompt }));
  const ours = await logitsOf(model, image, texts);

  for (const version of ['t4', 't5']) {
    rmSync(join(folder, 'theirs'), { recursive: true, force: true });
    const told = JSON.parse(
      execFileSync(python, [join(here, '../peers/transformers_side.py'), folder], {
        encoding: 'utf8',
        env: {
          ...process.env,
          PYTHONPATH: join(home, version),
          HF_HUB_OFFLINE: '1',
          TRANSFORMERS_VERBOSITY: 'error',
        },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
        .trim()
        .split('\n')
        .at(-1),
    );
    console.log(`transformers ${told.transformers}, PyTorch ${told.torch}, ${photos.length} photos`);
    const lists = Object.entries(told.loading).filter(([, keys]) => keys.length > 0);
    must(lists.length === 0, `no key is missing, unexpected or of another size: ${JSON.stringify(lists)}`);
    must(
      JSON.stringify(told.tokens) === JSON.stringify(encoded),
      'the tokenizer of the folder gives our ids',
    );
    const difference = farthest(ours.values, await readLogits(join(folder, 'logits.safetensors')), mask);
    must(difference <= 1e-4, `logits differ by ${difference.toExponential(1)}`);
    const { sepId, padId } = model.tokenizer;
    const trimmed = told.greedy.map((row) => row.slice(1).filter((id) => id !== sepId && id !== padId));
    const expected = encoded.map((row) => row.slice(1, -1));
    must(JSON.stringify(trimmed) === JSON.stringify(expected), 'greedy ids are equal');
    const back = (
      await registry
        .getModelClass('blip_caption')
        .fromConfig({ ...config.model, finetuned: join(folder, 'theirs') })
    ).eval();
    const again = await logitsOf(back, image, texts);
    const returned = farthest(ours.values, again.values, mask);
    must(
      returned <= 1e-4,
      `the folder that transformers saved, here: logits differ by ${returned.toExponential(1)}`,
    );
    back.dispose();
  }

  lavis('export', args.checkpoint, join(folder, 'web'), '--cfg-path', args['cfg-path']);
  const { AutoModelForVision2Seq, Tensor, env } = await import(
    pathToFileURL(createRequire(join(js, 'package.json')).resolve('@huggingface/transformers')).href
  );
  env.allowRemoteModels = false;
  env.localModelPath = folder;
  const captioner = await AutoModelForVision2Seq.from_pretrained('web', { dtype: 'fp32' });
  const start = [bosId, ...prompt.slice(1, -1)];
  const [height, wide] = shape.slice(1);
  const said = [];
  for (const { data } of pixels) {
    const planes = new Float32Array(data.length);
    data.forEach((value, i) => {
      planes[(i % 3) * height * wide + Math.floor(i / 3)] = value;
    });
    const ids = await captioner.generate({
      pixel_values: new Tensor('float32', planes, [1, 3, height, wide]),
      decoder_input_ids: new Tensor('int64', BigInt64Array.from(start, BigInt), [1, start.length]),
      num_beams: 1,
      do_sample: false,
      max_length: 20,
    });
    said.push(
      [...ids.data]
        .map(Number)
        .slice(1)
        .filter((id) => id !== model.tokenizer.sepId),
    );
  }
  console.log(`transformers.js ${env.version} in Node`);
  const wanted = encoded.map((row) => row.slice(1, -1));
  must(JSON.stringify(said) === JSON.stringify(wanted), 'greedy ids are equal');
} finally {
  rmSync(folder, { recursive: true, force: true });
  model.dispose();
}
if (faults.length > 0) throw new Error(faults.join('\n'));
