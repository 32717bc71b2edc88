/**
 * The benchmark: time, useful GFLOP/s beside those of the machine's own matrix products, peak memory. Prints
 * Markdown tables and writes JSON. docs/performance.md says what each row means.
 *
 *     npm run bench                                              ours alone, some 20 minutes on 2 cores
 *     npm run bench -- --peer torch_blip.py --rounds 5 --steps 3 beside PyTorch (Debian's python3-torch)
 *     npm run bench -- --peers build/peers/bin/python --peer torch_blip.py        beside PyPI's newest: PyTorch with fused
 *                                                                attention and AdamW, compiled, in bfloat16; transformers; OpenVINO
 *     npm run bench -- --work base,caption --profile             time of each graph of a step, of a batch of captions
 *     npm run bench -- --work tune --batches 4,16            full, frozen, remembered, LoRA; beside PyTorch with --peer
 *     npm run bench -- --work search --rounds 1                  indexing folders of pictures, asking 100,000
 *     npm run bench -- --small --image 96 --rounds 1             tries the benchmark itself, in a minute
 *
 * With `--peer` PyTorch does the same work in turns with us, round by round, so that a machine whose speed
 * drifts is fair to both. `node scripts/bench/index.mjs install_peers` makes the environment that --peers takes. Every measurement is a process of its own.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { Context } from './lib/context.mjs';
import { growth } from './lib/growth.mjs';
import { machine } from './lib/machine.mjs';
import { base, caption, large } from './lib/model_works.mjs';
import { checkpoint, loading, startup } from './lib/run_works.mjs';
import { search } from './lib/search_works.mjs';
import { tableLines } from './lib/table.mjs';
import { tune } from './lib/tune_works.mjs';

const WORKS = { base, large, caption, tune, loading, startup, checkpoint, growth, search };

const { values: args } = parseArgs({
  options: {
    /** All but `tune`, which takes as long as the rest. */
    work: {
      type: 'string',
      default: Object.keys(WORKS)
        .filter((name) => name !== 'tune')
        .join(','),
    },
    rounds: { type: 'string', default: '3' },
    /** Steps, or batches of captions, of a round; one more before them does not count. */
    steps: { type: 'string', default: '5' },
    peer: { type: 'string' },
    /** The Python of a virtual environment with what peers/requirements.txt names. */
    peers: { type: 'string' },
    /** Images that are captioned at a time. */
    batches: { type: 'string', default: '4' },
    python: { type: 'string', default: '/usr/bin/python3' },
    threads: { type: 'string', default: String(availableParallelism()) },
    profile: { type: 'boolean', default: false },
    image: { type: 'string', default: '384' },
    /** The model of --work tune. */
    size: { type: 'string', default: 'base' },
    /** Images that a loader is timed over. */
    images: { type: 'string', default: '400' },
    'growth-image': { type: 'string', default: '224' },
    'long-image': { type: 'string', default: '64' },
    'long-steps': { type: 'string', default: '200' },
    /** Pictures of the folders that are indexed, and of the index that is asked. */
    pictures: { type: 'string', default: '100,1000,10000' },
    kept: { type: 'string', default: '100000' },
    small: { type: 'boolean', default: false },
    /** Where checkpoints are written; the system's folder for temporary files unless given. */
    folder: { type: 'string' },
    vocab: { type: 'string', default: 'bert-base-uncased' },
    json: { type: 'string', default: 'build/bench.json' },
  },
});

const works = args.work.split(',');
const unknown = works.filter((name) => !WORKS[name]);
if (unknown.length > 0) {
  console.error(`unknown --work ${unknown.join(', ')}; there are ${Object.keys(WORKS).join(', ')}`);
  process.exit(2);
}

const context = new Context(args);
const report = { ...machine(), arguments: args, works: {} };
mkdirSync(dirname(args.json), { recursive: true });
for (const name of works) {
  const { rows, lines = [] } = await WORKS[name](context);
  report.works[name] = { rows, lines };
  // After each: what was measured stays when a later one fails.
  writeFileSync(args.json, `${JSON.stringify(report, null, 2)}\n`);
  console.log([...tableLines(rows), ...lines, ''].join('\n'));
}
const { date, cpu, cores, memoryGb, node } = report;
console.log(`${date}: ${cpu}, ${cores} cores, ${memoryGb} GB, Node ${node}`);
console.log(`written: ${args.json}`);
