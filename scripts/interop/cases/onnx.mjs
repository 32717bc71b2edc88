/**
 * A captioner that was trained here, exported and run by transformers.js and by the export's own captioner.js, in Node and in a
 * page of Chromium: greedy ids and the beams equal ours.
 *
 *     npx tsc -b tests
 *     node scripts/interop/index.mjs onnx --checkpoint checkpoint_best.pth [--cfg-path run.yaml] [--photos FOLDER]
 *
 * Without photos it draws scenes. transformers.js, with its ONNX Runtime for the web, is installed below --folder, once;
 * Chromium is the system's (apt install chromium, or CHROMIUM=path).
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { Browser } from '../../../build/tests/cli/browser.js';
import { chromium } from '../../../build/tests/cli/chromium.js';
import { tf } from '../../../dist/index.js';
import { captionerOptions, captionSome } from '../lib/captioner.mjs';
import { servePage } from '../lib/page.mjs';
import { lavis, npmPackages, programOptions } from '../lib/programs.mjs';
import { conclude, must } from '../lib/verdicts.mjs';

const { values: args } = parseArgs({ options: { ...programOptions, ...captionerOptions } });
if (!chromium) throw new Error('Chromium is not installed: apt install chromium, or CHROMIUM=path');

const BEAMS = { numBeams: 3, maxLength: 20, minLength: 5 };
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** Greedy ids of transformers.js; runs in Node and, as text, in a page. @param planes pixels of each picture, [3, H, W] */
async function greedyIds({ AutoModelForVision2Seq, Tensor }, planes, { shape, start, end }) {
  const captioner = await AutoModelForVision2Seq.from_pretrained('web', { dtype: 'fp32' });
  const said = [];
  for (const data of planes) {
    const ids = await captioner.generate({
      pixel_values: new Tensor('float32', data, [1, 3, ...shape]),
      decoder_input_ids: new Tensor('int64', BigInt64Array.from(start, BigInt), [1, start.length]),
      num_beams: 1,
      do_sample: false,
      max_length: 20,
    });
    said.push(
      [...ids.data]
        .map(Number)
        .slice(1)
        .filter((id) => id !== end),
    );
  }
  return said;
}

/** In a page: the same, with the library and the files that are served. */
const inPage = (count, about) => `(async () => {
  const library = await import('/js/node_modules/@huggingface/transformers/dist/transformers.min.js');
  const { env } = library;
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = '/files/';
  env.useBrowserCache = false;
  env.backends.onnx.wasm.wasmPaths = '/js/node_modules/onnxruntime-web/dist/';
  const planes = [];
  for (let i = 0; i < ${count}; i++) {
    const bytes = await fetch('/files/' + i + '.pixels').then((answer) => answer.arrayBuffer());
    planes.push(new Float32Array(bytes));
  }
  const ids = await (${greedyIds})(library, planes, ${JSON.stringify(about)});
  return { version: env.version, ids };
})()`;

/** In a page: beams of captioner.js, from pictures that a canvas draws. */
const beamsInPage = (count) => `(async () => {
  const ort = await import('/js/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs');
  ort.env.wasm.wasmPaths = '/js/node_modules/onnxruntime-web/dist/';
  const { loadCaptioner } = await import('/files/web/captioner.js');
  const read = (name) => fetch('/files/web/' + name).then((answer) => answer.arrayBuffer());
  const captioner = await loadCaptioner(ort, read);
  const { size } = captioner.config.image;
  const canvas = new OffscreenCanvas(size, size).getContext('2d', { willReadFrequently: true });
  const said = [];
  for (let i = 0; i < ${count}; i++) {
    const picture = await createImageBitmap(await fetch('/files/' + i + '.png').then((answer) => answer.blob()));
    canvas.drawImage(picture, 0, 0);
    const { data } = canvas.getImageData(0, 0, size, size);
    said.push(await captioner.caption(captioner.pixels(data), ${JSON.stringify(BEAMS)}));
  }
  return { version: ort.env.versions.web, said };
})()`;

const js = npmPackages(args, 'js', ['@huggingface/transformers']);
const work = mkdtempSync(join(tmpdir(), 'lavis-interop-'));
const browser = new Browser();
let served;
try {
  const { model, pixels, image, ids: wanted } = await captionSome(args, work);
  const config = args['cfg-path'] ? ['--cfg-path', args['cfg-path']] : [];
  lavis('export', args.checkpoint, join(work, 'web'), ...config);
  const { image: told } = JSON.parse(readFileSync(join(work, 'web', 'lavis_captioner.json'), 'utf8'));
  const planes = await Promise.all(
    pixels.map(async ({ data, shape: [height, width] }, k) => {
      const area = height * width;
      const plane = Float32Array.from(
        { length: 3 * area },
        (_, i) => data[3 * (i % area) + Math.floor(i / area)],
      );
      writeFileSync(join(work, `${k}.pixels`), plane);
      // What the processor made of the picture, before it was normalised: whole numbers again.
      const bytes = Uint8Array.from(data, (value, i) =>
        Math.round(255 * (value * told.std[i % 3] + told.mean[i % 3])),
      );
      const raw = { width, height, channels: 3 };
      await sharp(bytes, { raw })
        .png()
        .toFile(join(work, `${k}.png`));
      return plane;
    }),
  );
  const { bosId: bos, sepId: end, padId: pad } = model.tokenizer;
  const start = [bos, ...model.tokenizer.encode(model.prompt).slice(1, -1)];
  const about = { shape: image.shape.slice(1, 3), start, end };

  const library = await import(
    pathToFileURL(createRequire(join(js, 'package.json')).resolve('@huggingface/transformers')).href
  );
  library.env.allowRemoteModels = false;
  library.env.localModelPath = work;
  const inNode = await greedyIds(library, planes, about);
  console.log(`transformers.js ${library.env.version}, ${planes.length} pictures`);
  must(same(inNode, wanted), 'in Node greedy ids are equal');

  served = await servePage({ js, files: work });
  const { product } = await browser.send('Browser.getVersion');
  console.log(product);
  const page = await browser.open(served.url);
  const { version, ids } = await page.evaluate(inPage(planes.length, about));
  must(same(ids, wanted), `in a page, transformers.js ${version}: greedy ids are equal`);

  const { version: web, said } = await page.evaluate(beamsInPage(planes.length));
  let [equal, farthest] = [0, 0];
  for (let k = 0; k < planes.length; k++) {
    const one = tf.slice(image, [k, 0, 0, 0], [1, -1, -1, -1]);
    const ours = await model.generateDetailed({ image: one }, { ...BEAMS, numReturnSequences: 3 });
    one.dispose();
    const ends = (row) => row.filter((id) => id !== end && id !== pad);
    if (
      same(
        said[k].map(({ ids }) => ends(ids)),
        ours.sequences.map(ends),
      )
    )
      equal++;
    for (const [i, { score }] of said[k].entries())
      farthest = Math.max(farthest, Math.abs(score - ours.scores[i]));
    if (said[k][0].text !== ours.captions[0]) must(false, `${said[k][0].text} / ${ours.captions[0]}`);
  }
  must(equal === planes.length, `in a page, captioner.js over onnxruntime-web ${web}: all beams are equal`);
  must(farthest <= 1e-4, `their scores differ by ${farthest.toExponential(1)}`);
  model.dispose();
} finally {
  served?.close();
  await browser.close();
  rmSync(work, { recursive: true, force: true });
}
conclude();
