/** How cost grows: with the batch, and with the length of a run. */
import { rowsOf } from './rounds.mjs';
import { median, spread } from './statistics.mjs';

const BATCHES = [1, 2, 4, 8];

export async function growth(context) {
  const batches = [await growingSteps(context), await growingCaptions(context)];
  const long = longRun(context);
  return {
    rows: [...batches.flatMap(({ rows }) => rows), ...long.rows],
    lines: [...batches.flatMap(({ lines }) => lines), ...long.lines],
  };
}

/** Batch sizes in turns. @param measure what one batch size takes */
async function overBatches(context, work, measure) {
  const contestants = BATCHES.map((batch) => [`batch ${batch}`, () => measure(batch)]);
  return context.takeTurns(work, Object.fromEntries(contestants));
}

const perImage = (rows, part) => rows.map(({ runs }, i) => median(runs.map((run) => run[part])) / BATCHES[i]);

function spreadLine(title, values) {
  const list = values.map((seconds) => `${(1000 * seconds).toFixed(0)}`).join(', ');
  return `${title}, ms an image at batch ${BATCHES.join(', ')}: ${list}; spread ${spread(values).toFixed(1)} %`;
}

async function growingSteps(context) {
  const image = context.args['growth-image'];
  const work = `training step, ${context.size('base')}, ${image} px`;
  const common = ['--step', context.size('base'), '--image', image, '--steps', context.args.steps];
  const rows = await overBatches(context, work, (batch) => {
    const result = context.engine(...common, '--batch', batch);
    return { ...result, passes: result.forward + result.backward };
  });
  const lines = [
    spreadLine(`${work}, forward and backward`, perImage(rows, 'passes')),
    spreadLine(`${work}, with the update, which does not depend on the batch`, perImage(rows, 'seconds')),
  ];
  return { rows, lines };
}

async function growingCaptions(context) {
  const image = context.args['growth-image'];
  const work = `captions, ${context.size('base')}, 3 beams, 20 tokens, ${image} px`;
  const common = ['--caption', context.size('base'), '--image', image, '--steps', context.args.steps];
  const rows = await overBatches(context, work, (batch) => context.engine(...common, '--batch', batch));
  return { rows, lines: [spreadLine(work, perImage(rows, 'seconds'))] };
}

/** Ten steps about the 20th and the last, of one run. */
function longRun(context) {
  const { 'long-image': image, 'long-steps': count } = context.args;
  const size = context.size('base');
  const result = context.engine('--step', size, '--image', image, '--steps', count, '--batch', 4);
  const { steps } = result;
  const early = steps.slice(10, 20);
  const late = steps.slice(-10);
  const secondsOf = (list) => median(list.map(({ seconds }) => seconds));
  const work = `${count} training steps, ${size}, batch 4, ${image} px`;
  const row = (list) => ({ ...list.at(-1), seconds: secondsOf(list), peakGb: list.at(-1).residentGb });
  const rows = rowsOf(
    work,
    new Map([
      ['steps 11-20', [{ ...row(early), note: 'memory: resident after them' }]],
      [`steps ${steps.length - 9}-${steps.length}`, [{ ...row(late), note: 'memory: resident after them' }]],
    ]),
  );
  const change = (a, b) => `${(100 * (b / a - 1)).toFixed(1)} %`;
  const [before, after] = [early.at(-1), late.at(-1)];
  const resident = steps.slice(19).map(({ residentGb }) => residentGb);
  const lines = [
    `${work}: time ${change(secondsOf(early), secondsOf(late))}, resident memory ${change(before.residentGb, after.residentGb)} from step 20 to ${steps.length} (${Math.min(...resident).toFixed(3)} to ${Math.max(...resident).toFixed(3)} GB between), tensors ${before.tensors} and ${after.tensors}`,
  ];
  return { rows, lines };
}
