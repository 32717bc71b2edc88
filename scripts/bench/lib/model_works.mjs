/** Training steps and captioning. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasBfloat16 } from './machine.mjs';

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

/**
 * @param peers the peer's extra parameters, by the name of the row
 * @param others what PyPI's other programs do, by the name of the row
 */
async function trainingStep(context, { title, size, batch, recompute, peers, others }) {
  const { steps, image } = context.args;
  const common = ['--batch', batch, '--steps', steps, '--image', image];
  const step = (...more) => context.engine('--step', context.size(size), ...common, ...more);
  const contestants = { ours: () => step(...profileFlag(context)) };
  if (recompute) contestants[`ours, recompute ${recompute}`] = () => step('--recompute', recompute);
  const torch = Object.entries(peers).map(([name, parameters]) => [
    name,
    () => context.peer('--size', size, ...common, ...parameters),
  ]);
  const rows = withRates(
    await context.takeTurns(title, contestants, Object.fromEntries(torch), others?.(common)),
  );
  const { forward, backward, update } = rows[0].runs.at(-1);
  rows[0].note = `forward ${forward.toFixed(2)}, backward ${backward.toFixed(2)}, AdamW ${update.toFixed(2)} s`;
  return { rows, lines: rows[0].runs.at(-1).profile };
}

export async function base(context) {
  const found = await trainingStep(context, {
    title: `training step, ${context.size('base')}, batch 4`,
    ...{ size: 'base', batch: 4 },
    peers: {
      PyTorch: [],
      ...(context.newest ? { 'PyTorch, compiled': ['--compile'] } : {}),
      ...(context.newest && hasBfloat16() ? { 'PyTorch, bfloat16': ['--bf16'] } : {}),
    },
    others: (common) => ({ transformers: () => context.other('transformers_blip', ...common) }),
  });
  context.baseStep = found.rows[0].seconds;
  return found;
}

export const large = (context) =>
  trainingStep(context, {
    title: `training step, ${context.size('large')}, batch 2`,
    ...{ size: 'large', batch: 2, recompute: 5 },
    peers: {
      ...(context.newest ? { PyTorch: [] } : {}),
      'PyTorch, recompute 5': ['--ckpt-layers', 5],
    },
  });

export async function caption(context) {
  const found = [];
  for (const batch of context.args.batches.split(',').map(Number)) found.push(await captions(context, batch));
  return { rows: found.flatMap(({ rows }) => rows), lines: found.flatMap(({ lines }) => lines ?? []) };
}

async function captions(context, batch) {
  const { steps, image, vocab } = context.args;
  const common = ['--batch', batch, '--steps', steps, '--image', image];
  const search = [...common, '--beams', 3, '--max-len', 20];
  const generate = ['--size', 'base', ...search, '--generate'];
  const ours = (...more) => context.engine('--caption', context.size('base'), ...common, ...more);
  const folder = context.newest && mkdtempSync(join(context.args.folder ?? tmpdir(), 'lavis-bench-'));
  try {
    if (folder) {
      const size = ['--size', context.size('base'), '--image', image, '--vocab', vocab];
      context.ours('export_captioner', folder, ...size);
    }
    const openvino = (...more) => context.other('openvino_blip', folder, ...search, ...more);
    const rows = await context.takeTurns(
      `captions of ${batch} images, ${context.size('base')}, 3 beams, 20 tokens`,
      {
        ours: () => ours(...profileFlag(context)),
        'ours, int8': () => ours('--quantize', 'int8'),
      },
      {
        ...(context.newest ? {} : { PyTorch: () => context.peer(...generate) }),
        'PyTorch, cached cross-attention': () => context.peer(...generate, '--cache-cross'),
      },
      {
        transformers: () => context.other('transformers_blip', ...search, '--generate'),
        OpenVINO: () => openvino(),
        'OpenVINO, int8': () => openvino('--int8'),
        ...(hasBfloat16() ? { 'OpenVINO, bfloat16': () => openvino('--precision', 'bf16') } : {}),
      },
    );
    return { rows: withRates(rows), lines: rows[0].runs.at(-1).profile };
  } finally {
    if (folder) rmSync(folder, { recursive: true });
  }
}
