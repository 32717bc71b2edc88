/** What a run takes beside its steps: data, the way to the first step, checkpoints. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { secondsUntil } from './programs.mjs';
import { rowsOf } from './rounds.mjs';

/** Images a second that the loader delivers, and the time of one image on one core. */
export async function loading(context) {
  const { image, images } = context.args;
  const loader = (split, workers, ...more) => {
    const parameters = ['--split', split, '--workers', workers, '--image', image, '--images', images];
    const result = context.ours('loading', ...parameters, ...more);
    const rate = `${(1 / result.seconds).toFixed(0)} images/s`;
    return {
      ...result,
      note: `${rate}, ${(1000 * result.processor).toFixed(2)} ms of processor time an image`,
    };
  };
  const train = await context.takeTurns('loading an image, train', {
    '2 workers': () => loader('train', 2),
    '2 workers, cores busy': () => loader('train', 2, '--busy'),
    '0 workers': () => loader('train', 0),
  });
  const evaluation = await context.takeTurns('loading an image, eval', {
    '2 workers': () => loader('val', 2),
    '0 workers': () => loader('val', 0),
  });
  return { rows: [...train, ...evaluation, ...oneCore(context)], lines: needLines(context, train) };
}

/** Ours and Pillow's take turns within one program; processor time, since one image at a time is asked for. */
function oneCore(context) {
  const parameters = ['--python', context.args.python, '--image', context.args.image];
  const results = Array.from({ length: context.rounds }, () => context.ours('processors', ...parameters));
  const side = (whose, what) =>
    results.map(({ [whose]: times }) => ({
      seconds: times[what].cpuMs / 1000,
      peakGb: times.peakGb,
      note: `processor time; ${times[what].ms.toFixed(2)} ms by the clock`,
    }));
  return ['train', 'eval'].flatMap((what) => {
    const runs = new Map([['ours', side('ours', what)]]);
    if (results.every(({ pillow }) => pillow)) runs.set('Pillow + OpenCV', side('pillow', what));
    return rowsOf(`an image on one core, ${what}`, runs);
  });
}

/** How far loading is from holding up training. */
function needLines({ baseStep }, rows) {
  if (!baseStep)
    return ['--work base,loading tells too how many times what training needs the loader delivers'];
  const need = 4 / baseStep;
  return rows.map(({ work, who, seconds }) => {
    const rate = 1 / seconds;
    return `${work}, ${who}: ${rate.toFixed(0)} images/s, ${(rate / need).toFixed(0)} times the ${need.toFixed(2)} images/s of a base step of ${baseStep.toFixed(2)} s`;
  });
}

/** From the start of the program to the end of the first training step. */
export async function startup(context) {
  const { image, vocab } = context.args;
  const size = context.size('base');
  const common = ['--size', size, '--batch', 4, '--image', image, '--vocab', vocab];
  const peer = ['--size', 'base', '--batch', 4, '--image', image, '--steps', 1];
  const rows = await context.takeTurns(
    `start-up to the first step done, ${size}, batch 4`,
    { ours: () => context.ours('startup', ...common) },
    {
      PyTorch: async () => ({
        seconds: await secondsUntil(context.python, context.peerCommand(...peer), /^loss/m),
      }),
    },
  );
  const [{ runs }] = rows;
  const { imported, prepared, firstStep } = runs.at(-1).parts;
  rows[0].note = `imports ${imported.toFixed(1)}, engine, data and model ${prepared.toFixed(1)}, first step ${firstStep.toFixed(1)} s`;
  const waits = runs.flatMap((run) => run.waits.map((seconds) => 1000 * seconds));
  const lines = [
    `training with 2 workers, steps after the first: waited for data ${waits.map((ms) => ms.toFixed(1)).join(', ')} ms`,
  ];
  return { rows, lines };
}

/** Weights and AdamW's state of the base model, as a run writes and resumes them. */
export async function checkpoint(context) {
  const folder = mkdtempSync(join(context.args.folder ?? tmpdir(), 'lavis-bench-'));
  const path = join(folder, 'checkpoint_0.pth');
  const part = (name) => {
    const size = [
      '--size',
      context.size('base'),
      '--image',
      context.args.image,
      '--vocab',
      context.args.vocab,
    ];
    const result = context.ours('model_checkpoint', name, path, ...size);
    const rate = (result.gigabytes / result.seconds).toFixed(2);
    const before = result.beforeGb.toFixed(2);
    return {
      ...result,
      note: `${result.gigabytes.toFixed(2)} GB, ${rate} GB/s; ${before} GB resident before`,
    };
  };
  try {
    return {
      rows: await context.takeTurns(`checkpoint with optimizer, ${context.size('base')}`, {
        save: () => part('save'),
        load: () => part('load'),
      }),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
