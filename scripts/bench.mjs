/**
 * Training steps and captioning at 384 pixels: a table, and JSON beside it. With `--peer` PyTorch does the
 * same work in turns with us, round by round, so that a machine whose speed drifts is fair to both.
 *
 *     npm run bench                                              ours alone
 *     npm run bench -- --peer torch_blip.py --rounds 5           beside PyTorch (Debian's python3-torch)
 *     npm run bench -- --work base,caption --vocab vocab.txt --json bench.json
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';

const { values: args } = parseArgs({
  options: {
    work: { type: 'string', default: 'base,large,caption' },
    rounds: { type: 'string', default: '3' },
    steps: { type: 'string', default: '5' },
    peer: { type: 'string' },
    python: { type: 'string', default: '/usr/bin/python3' },
    vocab: { type: 'string', default: '../shared/bert-base-uncased/vocab.txt' },
    json: { type: 'string', default: 'build/bench.json' },
  },
});

const GENERATE = ['--size', 'base', '--batch', '4', '--generate', '--beams', '3', '--max-len', '20'];
const WORKS = {
  base: {
    title: 'training step, base, batch 4',
    ours: ['--step', 'base', '--batch', '4'],
    peers: { PyTorch: ['--size', 'base', '--batch', '4'] },
  },
  large: {
    title: 'training step, large, batch 2',
    ours: ['--step', 'large', '--batch', '2'],
    peers: { 'PyTorch, recompute 5': ['--size', 'large', '--batch', '2', '--ckpt-layers', '5'] },
  },
  caption: {
    title: 'captions of 4 images, base, 3 beams, 20 tokens',
    ours: ['--caption', 'base', '--batch', '4'],
    peers: { PyTorch: GENERATE, 'PyTorch, cached cross-attention': [...GENERATE, '--cache-cross'] },
  },
};

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

/** The last line of a program's output, as JSON. */
function lastLine(command, parameters) {
  const threads = String(cpus().length);
  const env = { ...process.env, OPENBLAS_NUM_THREADS: threads };
  const { stdout, stderr, status } = spawnSync(command, parameters, { encoding: 'utf8', env });
  if (status !== 0) throw new Error(`${command} ${parameters.join(' ')} failed: ${stderr}`);
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

const runOurs = (parameters) =>
  lastLine(process.execPath, [
    'scripts/bench_engine.mjs',
    ...parameters,
    '--steps',
    args.steps,
    '--vocab',
    args.vocab,
  ]);

function runPeer(parameters) {
  const steps = ['--steps', args.steps, '--threads', String(cpus().length)];
  const result = lastLine(args.python, [args.peer, ...parameters, ...steps]);
  return {
    seconds: result.seconds_per_step_median ?? result.seconds_per_generate_median,
    peakGb: result.peak_gb,
  };
}

const report = {
  date: new Date().toISOString(),
  node: process.version,
  cpu: cpus()[0].model,
  cores: cpus().length,
};
report.memoryGb = Math.round(totalmem() / 2 ** 30);
report.rows = [];
for (const name of args.work.split(',')) {
  const { title, ours, peers } = WORKS[name];
  const runs = { ours: [] };
  for (let round = 0; round < Number(args.rounds); round++) {
    runs.ours.push(runOurs(ours));
    for (const [peer, parameters] of args.peer ? Object.entries(peers) : []) {
      runs[peer] ??= [];
      runs[peer].push(runPeer(parameters));
    }
  }
  const own = median(runs.ours.map((run) => run.seconds));
  for (const [who, list] of Object.entries(runs)) {
    const seconds = median(list.map((run) => run.seconds));
    const row = {
      work: title,
      who,
      seconds,
      ratio: seconds / own,
      peakGb: Math.max(...list.map((run) => run.peakGb)),
    };
    if (list[0].gflops) row.shareOfProducts = median(list.map((run) => run.gflops / run.productGflops));
    report.rows.push(row);
    const share = row.shareOfProducts
      ? `, ${(100 * row.shareOfProducts).toFixed(0)} % of the product rate`
      : '';
    console.log(
      `${title.padEnd(48)} ${who.padEnd(32)} ${seconds.toFixed(2).padStart(7)} s  x${row.ratio.toFixed(2)}  ${row.peakGb.toFixed(1)} GB${share}`,
    );
  }
}
writeFileSync(args.json, `${JSON.stringify(report, null, 2)}\n`);
console.log(`written: ${args.json}`);
