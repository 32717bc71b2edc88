/**
 * Seconds from the start of the process to the end of a run's first training step, as `lavis train` takes it:
 *
 *     node scripts/bench/index.mjs startup [--size base] [--batch 4] [--steps 3] [--workers 2]
 *
 * The model starts from random weights, the photos are drawn beforehand. Tells too how long each step waited
 * for its data. Ends with one line of JSON, for scripts/bench/index.mjs.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Config } from '../../../dist/index.js';
import { makeRunner, prepareRun } from '../../../dist/runs/index.js';
import { modelSection } from '../lib/captioner.mjs';
import { peakGb } from '../lib/machine.mjs';

const { values: args } = parseArgs({
  options: {
    size: { type: 'string', default: 'base' },
    batch: { type: 'string', default: '4' },
    steps: { type: 'string', default: '3' },
    image: { type: 'string', default: '384' },
    workers: { type: 'string', default: '2' },
    device: { type: 'string', default: 'cpu' },
    vocab: { type: 'string', default: 'bert-base-uncased' },
  },
});
/** Since the process was started. */
const now = () => performance.now() / 1000;
const imported = now();

const [batch, steps, image] = [args.batch, args.steps, args.image].map(Number);

const folder = mkdtempSync(join(tmpdir(), 'lavis-bench-'));
try {
  console.log(JSON.stringify(await run(await writeConfig())));
} finally {
  rmSync(folder, { recursive: true });
}
process.exit(0);

async function writeConfig() {
  const { photoDataset } = await import('../lib/photos.mjs');
  const config = {
    model: modelSection({ size: args.size, image, vocab: args.vocab }),
    datasets: { custom_caption: await photoDataset(join(folder, 'photos'), { count: batch * steps, image }) },
    run: {
      ...{ task: 'captioning', lr_sched: 'linear_warmup_cosine_lr', init_lr: 1e-5, max_epoch: 1 },
      ...{ batch_size_train: batch, batch_size_eval: batch, num_workers: Number(args.workers) },
      ...{ train_splits: ['train'], valid_splits: [], test_splits: [], seed: 42 },
      ...{ output_dir: join(folder, 'output'), distributed: false },
    },
  };
  const path = join(folder, 'run.yaml');
  writeFileSync(path, JSON.stringify(config)); // JSON is YAML
  return path;
}

async function run(path) {
  const drawn = now();
  const config = await Config.fromFile(path);
  const prepared = await prepareRun(config, { device: args.device, training: true });
  const ready = now();
  const done = new Error('enough steps');
  const seen = [];
  const watch = {
    afterStep(_, { seconds, dataSeconds }) {
      seen.push({ seconds, dataSeconds, at: now() });
      if (seen.length === steps) throw done;
    },
  };
  const runner = await makeRunner({ ...prepared, hooks: [watch] }, 'bench');
  try {
    await runner.train();
  } catch (thrown) {
    if (thrown !== done) throw thrown;
  }
  // Drawing the photos is the benchmark's own work.
  const seconds = seen[0].at - (drawn - imported);
  const parts = { imported, prepared: ready - drawn, firstStep: seen[0].seconds };
  const waits = seen.slice(1).map(({ dataSeconds }) => dataSeconds);
  console.log(
    `first step done after ${seconds.toFixed(1)} s: ${imported.toFixed(1)} s imports, ${parts.prepared.toFixed(1)} s engine, data and model, ${parts.firstStep.toFixed(1)} s the step with its first batch (${seen[0].dataSeconds.toFixed(2)} s)`,
  );
  console.log(`later steps waited for data: ${waits.map((s) => `${(1000 * s).toFixed(1)} ms`).join(', ')}`);
  return { seconds, parts, waits, steps: seen, peakGb: peakGb() };
}
