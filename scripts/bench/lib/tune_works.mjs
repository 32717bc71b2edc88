/** Training steps by what is trained: all of a captioner, its text side, adapters; with pixels or remembered images. */
import { TUNES } from './captioner.mjs';

/** The peer's parameters for the same; it has no adapters. */
const PEERS = {
  full: [],
  frozen: ['--freeze-vit'],
  remembered: ['--freeze-vit', '--remember'],
};

/** What PyPI's PEFT is compared in. */
const ADAPTED = ['lora', 'lora-remembered'];

/** At `--batches` images, several with commas: each contestant in a process of its own, in turns. */
export async function tune(context) {
  const { steps, image, batches, size: asked } = context.args;
  const size = context.size(asked);
  const rows = [];
  for (const images of batches.split(',')) {
    const common = ['--batch', images, '--steps', steps, '--image', image];
    const ours = Object.keys(TUNES).map((name) => [
      name,
      () => context.engine('--step', size, ...common, '--tune', name),
    ]);
    const peers = Object.entries(PEERS).map(([name, flags]) => [
      `PyTorch ${name}`,
      () => context.peer('--size', asked, ...common, ...flags),
    ]);
    const others = ADAPTED.map((name) => [
      `transformers and PEFT, ${name}`,
      () => context.other('transformers_blip', ...common, '--tune', name),
    ]);
    const title = `training step, ${size}, batch ${images}`;
    const [own, torch, peft] = [ours, peers, others].map(Object.fromEntries);
    rows.push(...(await context.takeTurns(title, own, torch, peft)));
  }
  for (const row of rows)
    row.note = `${(row.seconds / Number(row.work.split(' ').at(-1))).toFixed(3)} s a picture`;
  return { rows };
}
