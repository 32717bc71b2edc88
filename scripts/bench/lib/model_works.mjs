/** Training steps and captioning. */

/** The peer does the same useful operations; its rate stands beside the same products. */
function withRates(rows) {
  const [ours] = rows;
  const flops = ours.runs[0].flops;
  for (const row of rows.filter(({ gflops }) => gflops === undefined)) {
    row.gflops = flops / row.seconds / 1e9;
    row.productGflops = ours.productGflops;
    row.share = row.gflops / ours.productGflops;
  }
  return rows;
}

const profileFlag = ({ args }) => (args.profile ? ['--profile'] : []);

/** @param peers the peer's extra parameters, by the name of the row */
async function trainingStep(context, { title, size, batch, recompute, peers }) {
  const { steps, image } = context.args;
  const common = ['--batch', batch, '--steps', steps, '--image', image];
  const step = (...more) => context.engine('--step', context.size(size), ...common, ...more);
  const contestants = { ours: () => step(...profileFlag(context)) };
  if (recompute) contestants[`ours, recompute ${recompute}`] = () => step('--recompute', recompute);
  const others = Object.entries(peers).map(([name, parameters]) => [
    name,
    () => context.peer('--size', size, ...common, ...parameters),
  ]);
  const rows = withRates(await context.takeTurns(title, contestants, Object.fromEntries(others)));
  const { forward, backward, update } = rows[0].runs.at(-1);
  rows[0].note = `forward ${forward.toFixed(2)}, backward ${backward.toFixed(2)}, AdamW ${update.toFixed(2)} s`;
  return { rows, lines: rows[0].runs.at(-1).profile };
}

export async function base(context) {
  const title = `training step, ${context.size('base')}, batch 4`;
  const found = await trainingStep(context, { title, size: 'base', batch: 4, peers: { PyTorch: [] } });
  context.baseStep = found.rows[0].seconds;
  return found;
}

export const large = (context) =>
  trainingStep(context, {
    title: `training step, ${context.size('large')}, batch 2`,
    ...{ size: 'large', batch: 2, recompute: 5 },
    peers: { 'PyTorch, recompute 5': ['--ckpt-layers', 5] },
  });

export async function caption(context) {
  const { steps, image } = context.args;
  const common = ['--batch', 4, '--steps', steps, '--image', image];
  const generate = ['--size', 'base', ...common, '--generate', '--beams', 3, '--max-len', 20];
  const rows = await context.takeTurns(
    `captions of 4 images, ${context.size('base')}, 3 beams, 20 tokens`,
    { ours: () => context.engine('--caption', context.size('base'), ...common, ...profileFlag(context)) },
    {
      PyTorch: () => context.peer(...generate),
      'PyTorch, cached cross-attention': () => context.peer(...generate, '--cache-cross'),
    },
  );
  return { rows: withRates(rows), lines: rows[0].runs.at(-1).profile };
}
