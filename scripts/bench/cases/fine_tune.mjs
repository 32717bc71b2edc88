/**
 * Fine-tunes a captioner of drawn scenes to word its captions another way, for equal seconds: whole, with its image
 * encoder frozen, with remembered images, with LoRA, and with LoRA and remembered images. Prints what each came to, and
 * draws validation loss and CIDEr over time:
 *
 *     node scripts/bench/index.mjs fine_tune checkpoint_best.pth [--seconds 60] [--scenes 240] [--svg docs/images/fine_tune.svg]
 *
 * The checkpoint is that of projects/blip/train/caption_shapes.yaml, which tells where things are ("a large red star at the
 * top left and …"); here it learns to tell how they lie to each other ("a large red star above …").
 */
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { drawScene, orderedCaptionsOf, scenesOf } from '../../../dist/datasets/index.js';

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '60' },
    scenes: { type: 'string', default: '240' },
    svg: { type: 'string' },
  },
});
const [checkpoint] = positionals;
if (!checkpoint || !existsSync(checkpoint)) {
  console.error('name the checkpoint_best.pth of a run of projects/blip/train/caption_shapes.yaml');
  process.exit(2);
}

const SIZE = 96;
const FROZEN = { freeze_vit: true };
const LORA = {
  lora: { r: 16, alpha: 32, dropout: 0.05, target_modules: ['query', 'key', 'value', 'dense'] },
};
/** LoRA's matrices begin as nothing and take larger steps, as is usual. */
const MODES = {
  full: { model: {}, run: { init_lr: 3e-4 } },
  frozen: { model: FROZEN, run: { init_lr: 3e-4 } },
  remembered: { model: FROZEN, run: { init_lr: 3e-4, cache_image_embeds: true } },
  LoRA: { model: LORA, run: { init_lr: 3e-3 } },
  'LoRA, remembered': { model: LORA, run: { init_lr: 3e-3, cache_image_embeds: true } },
};

const folder = mkdtempSync(join(tmpdir(), 'lavis-bench-'));
try {
  await drawScenes();
  const curves = {};
  for (const [name, mode] of Object.entries(MODES)) {
    curves[name] = await train(name, mode);
    const last = curves[name].at(-1);
    const best = Math.max(...curves[name].map(({ CIDEr }) => CIDEr));
    const line = last
      ? `${last.epoch + 1} epochs, val_loss ${last.val_loss.toFixed(3)}, CIDEr ${last.CIDEr.toFixed(2)}, at best ${best.toFixed(2)}`
      : 'no evaluation in that time';
    console.log(`${name}: ${line}`);
  }
  if (args.svg) writeFileSync(args.svg, chart(curves));
  console.log(JSON.stringify(curves));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);

async function drawScenes() {
  const count = Number(args.scenes);
  mkdirSync(join(folder, 'images'));
  const scenes = scenesOf('train', { seed: 11, train: count + 60, val: 0, test: 0, imageSize: SIZE });
  const rows = scenes.map(async (scene, i) => {
    const image = `${i}.jpg`;
    await drawScene(scene, SIZE, join(folder, 'images', image));
    return `${image},"${orderedCaptionsOf(scene).related[0]}",${i < count ? 'train' : 'val'}`;
  });
  writeFileSync(
    join(folder, 'captions.csv'),
    `image,caption,split\n${(await Promise.all(rows)).join('\n')}\n`,
  );
}

/** Trains until the time is up. @returns its evaluations, each with the seconds since the start of the program */
async function train(name, { model, run }) {
  const output = join(folder, name.replaceAll(/\W+/g, '_'));
  const eval64 = { name: 'blip_image_eval', image_size: 64 };
  const config = {
    model: { arch: 'blip_caption', model_type: 'shapes', pretrained: resolve(checkpoint), ...model },
    datasets: {
      custom_caption: {
        vis_processor: { train: eval64, eval: eval64 },
        build_info: {
          annotations: { all: { storage: join(folder, 'captions.csv') } },
          images: { storage: join(folder, 'images') },
        },
      },
    },
    run: {
      ...{ task: 'captioning', lr_sched: 'constant_lr', max_epoch: 1000, val_freq: 2, save_freq: 0 },
      ...{ batch_size_train: 16, batch_size_eval: 60, num_workers: 1, num_beams: 1, max_len: 30, min_len: 5 },
      ...{ train_splits: ['train'], valid_splits: ['val'], test_splits: [], monitor: 'val_loss' },
      ...{ seed: 42, output_dir: output, device: 'cpu', ...run },
    },
  };
  const path = `${output}.json`;
  writeFileSync(path, JSON.stringify(config)); // JSON is YAML
  const lavis = fileURLToPath(new URL('../../../bin/lavis.js', import.meta.url));
  const start = Date.now() / 1000;
  const env = { ...process.env, LAVIS_CACHE_ROOT: join(folder, `cache_${name.replaceAll(/\W+/g, '_')}`) };
  const program = spawn(process.execPath, [lavis, 'train', '--cfg-path', path], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let complaint = '';
  program.stderr.on('data', (text) => {
    complaint += text;
  });
  const timer = setTimeout(() => program.kill('SIGINT'), 1000 * Number(args.seconds));
  await new Promise((done) => program.on('exit', done));
  clearTimeout(timer);
  const [job] = existsSync(output) ? readdirSync(output) : [];
  if (!job) throw new Error(complaint);
  return readFileSync(join(output, job, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ kind }) => kind === 'evaluation')
    .map(({ epoch, time, loss, val_loss = loss, CIDEr }) => ({
      seconds: time - start,
      ...{ epoch, val_loss, CIDEr },
    }));
}

/** Validation loss and CIDEr beside each other. */
function chart(curves) {
  const [width, height, left, top] = [400, 260, 50, 40];
  const colours = ['#2b6cb0', '#c05621', '#2f855a', '#805ad5', '#b83280'];
  const most = Number(args.seconds);
  const panel = (key, title, x) => {
    const values = Object.values(curves).flatMap((curve) => curve.map((point) => point[key]));
    const [low, high] = [Math.min(0, ...values), Math.max(...values)];
    const at = ({ seconds, [key]: value }) =>
      `${(x + left + (Math.min(seconds, most) / most) * width).toFixed(1)},${(top + height - ((value - low) / (high - low || 1)) * height).toFixed(1)}`;
    const lines = Object.entries(curves).map(
      ([name, curve], i) =>
        `<polyline fill="none" stroke="${colours[i]}" stroke-width="2" points="${curve.map(at).join(' ')}"><title>${name}</title></polyline>`,
    );
    const frame = `<rect x="${x + left}" y="${top}" width="${width}" height="${height}" fill="none" stroke="#999"/>`;
    const labels = [
      `<text x="${x + left}" y="${top - 12}" font-weight="bold">${title}</text>`,
      `<text x="${x + left - 6}" y="${top + 10}" text-anchor="end">${high.toFixed(1)}</text>`,
      `<text x="${x + left - 6}" y="${top + height}" text-anchor="end">${low.toFixed(1)}</text>`,
      `<text x="${x + left + width}" y="${top + height + 18}" text-anchor="end">${most} s</text>`,
    ];
    return [frame, ...lines, ...labels].join('\n');
  };
  const legend = Object.keys(curves)
    .map(
      (name, i) => `<text x="${left + i * 170}" y="${top + height + 45}" fill="${colours[i]}">${name}</text>`,
    )
    .join('\n');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${2 * (width + left) + 40} ${top + height + 60}" font-family="sans-serif" font-size="13">
<title>Fine-tuning in five ways for equal seconds: validation loss and CIDEr over time</title>
<rect width="100%" height="100%" fill="#fff"/>
${panel('val_loss', 'validation loss', 0)}
${panel('CIDEr', 'CIDEr', width + left + 20)}
${legend}
</svg>
`;
}
