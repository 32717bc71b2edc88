import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { contentOf, logLines, type TinyRun, tinyRun } from '../runners/tiny_run.js';
import { temporaryFolder } from '../support.js';
import { jobFolder } from './lavis.js';

const folder = temporaryFolder();

/** What pretraining and retrieval add: features of all ranks in the queue, noise and negatives of each rank's own. */
const CONTRASTIVE = [
  {
    name: 'pretraining',
    model: { arch: 'blip_pretrain', model_type: 'base', embed_dim: 8, queue_size: 8 },
    run: { task: 'image_text_pretrain', monitor: 'val_loss', valid_splits: ['val'], test_splits: [] },
    dataset: 'coco_caption',
  },
  {
    name: 'retrieval, negatives of all ranks',
    model: {
      ...{ arch: 'blip_retrieval', model_type: 'coco', prompt: undefined },
      embed_dim: 8,
      queue_size: 8,
      negative_all_rank: true,
    },
    run: { task: 'retrieval', k_test: 2, test_splits: [] },
    dataset: 'coco_retrieval',
  },
];

describe('lavis train --nproc-per-node 2', () => {
  let tiny: TinyRun;
  // What ranks draw for themselves is out of the comparison.
  const still = ['model.vit_drop_path_rate=0'];
  const train = (name: string, workers: number, ...options: string[]) => {
    const argv = ['bin/lavis.js', 'train', '--cfg-path', tiny.yaml, '--device', 'cpu'];
    const rest = [
      '--nproc-per-node',
      String(workers),
      '--options',
      ...tiny.output(name),
      ...still,
      ...options,
    ];
    const { status, stderr } = spawnSync(process.execPath, [...argv, ...rest], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return jobFolder(join(folder, name));
  };

  before(async () => {
    tiny = await tinyRun(folder, { accum_grad_iters: 2 }, 0);
  });

  it('with half the batch each ends with the weights and scores of one worker with the whole batch', async () => {
    const [one, two] = [
      train('one', 1, 'run.batch_size_train=4', 'run.val_loss=True'),
      train('two', 2, 'run.batch_size_train=2', 'run.val_loss=True'),
    ];
    const weights = async (job: string) =>
      ((await contentOf(join(job, 'checkpoint_1.pth'))) as { model: Record<string, ArrayLike<number>> })
        .model;
    const [expected, actual] = [await weights(one), await weights(two)];
    assert.deepEqual(Object.keys(actual), Object.keys(expected));
    const norm = (values: Float32Array) => Math.hypot(...values);
    let compared = 0;
    for (const [name, values] of Object.entries(expected)) {
      // position_ids; and key biases, whose gradient is zero but for rounding, of which AdamW makes steps.
      if (!(values instanceof Float32Array) || name.endsWith('key.bias')) continue;
      const key = (i: number) => name.endsWith('qkv.bias') && Math.floor((3 * i) / values.length) === 1;
      const apartBy = values.map((value, i) => (key(i) ? 0 : value - actual[name][i]));
      const difference = norm(apartBy) / norm(values);
      assert.ok(difference < 1e-5, `${name}: relative difference ${difference}`);
      compared++;
    }
    assert.ok(compared > 40, `${compared} parameters`);
    const scores = (job: string) => JSON.parse(logLines(job).at(-1)!);
    assert.deepEqual(Object.keys(scores(two)), Object.keys(scores(one)));
    const loss = (job: string) => Number(JSON.parse(logLines(job)[0]).train_loss);
    assert.ok(Math.abs(loss(two) - loss(one)) <= 0.002);
    const ofSplit = (job: string) =>
      logLines(job).flatMap((line): number[] => JSON.parse(line).val_loss ?? []);
    assert.equal(ofSplit(one).length, 2);
    for (const [i, alone] of ofSplit(one).entries()) {
      assert.ok(Math.abs(ofSplit(two)[i] - alone) <= 1e-5 * alone, `${ofSplit(two)} for ${ofSplit(one)}`);
    }
  });

  it('counts what cannot be read over both ranks, each of which stays below the limit', () => {
    const broken = ['tiny_4', 'tiny_9'].map((name) => join(folder, 'images', `${name}.png`));
    const whole = broken.map((file) => readFileSync(file));
    for (const file of broken) writeFileSync(file, 'broken');
    const run = (name: string, limit: number) =>
      spawnSync(
        process.execPath,
        [
          ...['bin/lavis.js', 'train', '--cfg-path', tiny.yaml, '--device', 'cpu', '--nproc-per-node', '2'],
          ...[
            '--options',
            ...tiny.output(name),
            'run.max_epoch=1',
            'run.valid_splits=[]',
            'run.test_splits=[]',
          ],
          `run.max_bad_samples=${limit}`,
        ],
        { encoding: 'utf8' },
      );
    const [strict, lenient] = [run('unread', 1), run('skipped', 2)];
    for (const [i, file] of broken.entries()) writeFileSync(file, whole[i]);
    assert.equal(strict.status, 1, strict.stderr);
    assert.match(strict.stderr, /DataError: more than 1 samples cannot be read/);
    assert.equal(lenient.status, 0, lenient.stderr);
    const lines = readFileSync(join(jobFolder(join(folder, 'skipped')), 'bad_samples.jsonl'), 'utf8').trim();
    const names = lines.split('\n').map((line) => /tiny_\d/.exec(line)![0]);
    assert.deepEqual([...new Set(names)].sort(), ['tiny_4', 'tiny_9']);
  });

  it('sends one message a step beside the gradients', () => {
    const plugin = join(folder, 'count.mjs');
    const communicator = pathToFileURL('dist/distributed/local/local_communicator.js').href;
    writeFileSync(
      plugin,
      `import { writeFileSync } from 'node:fs';
       import { LocalCommunicator } from '${communicator}';
       const { allGather } = LocalCommunicator.prototype;
       const names = [];
       LocalCommunicator.prototype.allGather = function (value, name, options) {
         names.push(name);
         return allGather.call(this, value, name, options);
       };
       process.on('exit', () => writeFileSync('${folder}/names' + process.env.RANK, JSON.stringify(names)));`,
    );
    const sent = (epochs: number) => {
      const name = `sent${epochs}`;
      const rest = ['run.batch_size_train=1', `run.max_epoch=${epochs}`, 'run.valid_splits=[]'];
      train(name, 2, `plugins=[${plugin}]`, 'run.save_freq=0', 'run.test_splits=[]', ...rest);
      return JSON.parse(readFileSync(join(folder, 'names1'), 'utf8')) as string[];
    };
    const [first, second] = [sent(1), sent(3)];
    assert.equal(second.filter((name) => name === 'losses').length, 3 * 5, second.join('\n'));
    const between = (names: string[]) =>
      names.slice(names.indexOf('losses'), names.lastIndexOf('losses') + 1);
    assert.deepEqual([...new Set(between(first))], ['losses'], 'nothing else within an epoch');
    assert.equal(between(first).length, 5);
  });

  it('ends with the same bits on both ranks, whatever each draws for itself', () => {
    const plugin = join(import.meta.dirname, 'digests.js');
    for (const accumulated of [1, 2]) {
      const options = ['run.runner=digests', `run.accum_grad_iters=${accumulated}`];
      const noise = ['model.vit_drop_path_rate=0.2', '--plugin', plugin];
      const job = train(`bits_${accumulated}`, 2, ...options, ...noise);
      const digest = (when: string, rank: number) =>
        readFileSync(join(job, `${when}_${rank}.digest`), 'utf8');
      assert.equal(digest('end', 0), digest('end', 1), `accum_grad_iters=${accumulated}`);
      assert.notEqual(digest('end', 0), digest('start', 0));
    }
  });
});

for (const { name, model, run, dataset } of CONTRASTIVE) {
  describe(`lavis train --nproc-per-node 2: ${name}`, () => {
    const parent = temporaryFolder();
    let tiny: TinyRun;
    const lavis = (output: string, argv: string[], options: string[], env = {}) => {
      const plugin = ['--plugin', join(import.meta.dirname, 'stops.js')];
      const rest = ['--device', 'cpu', ...argv, ...plugin, '--options', ...tiny.output(output), ...options];
      const { status, stderr } = spawnSync(
        process.execPath,
        ['bin/lavis.js', argv.includes('--checkpoint') ? 'eval' : 'train', '--cfg-path', tiny.yaml, ...rest],
        { encoding: 'utf8', env: { ...process.env, LAVIS_THREADS: '1', ...env } },
      );
      return { status, stderr, job: () => jobFolder(join(parent, output)) };
    };
    const two = ['--nproc-per-node', '2'];
    const options = ['run.runner=stops', 'run.batch_size_train=2'];
    let whole: string;

    before(async () => {
      tiny = await tinyRun(parent, run, 0.1, { model, dataset });
      const { status, stderr, job } = lavis('whole', two, options);
      assert.equal(status, 0, stderr);
      whole = job();
    });

    it('ends with the same bits on both ranks, queues of both among them', async () => {
      const digest = (when: string, rank: number) =>
        readFileSync(join(whole, `${when}_${rank}.digest`), 'utf8');
      assert.equal(digest('end', 0), digest('end', 1));
      assert.notEqual(digest('end', 0), digest('start', 0));
      const { model: state } = (await contentOf(join(whole, 'checkpoint_1.pth'))) as Content;
      // Five images a rank: two whole batches an epoch, of both ranks four pairs each.
      assert.equal(Number(state.queue_ptr[0]), (2 * 2 * 4) % 8);
      const columns = state.image_queue.length / 8;
      for (let at = 0; at < 8; at++) {
        const feature = Array.from({ length: columns }, (_, row) => state.image_queue[row * 8 + at]);
        assert.ok(Math.abs(Math.hypot(...feature) - 1) < 1e-5, `column ${at}`);
      }
    });

    it('stopped in the middle of an epoch and resumed, ends as one that was never stopped', async () => {
      const stopped = lavis('stopped', two, options, { STOP: '1' });
      assert.equal(stopped.status, 130, stopped.stderr);
      const resumed = lavis('stopped', [...two, '--resume'], options);
      assert.equal(resumed.status, 0, resumed.stderr);
      assert.match(resumed.stderr, /Resumed from .*: epoch 0, step 1/);
      assert.deepEqual(logLines(resumed.job()), logLines(whole));
      const content = (job: string) => contentOf(join(job, 'checkpoint_1.pth'));
      assert.deepEqual(await content(resumed.job()), await content(whole));
    });

    if (run.task === 'retrieval') {
      it('evaluates to the scores of one worker, each row compared once', () => {
        const scores = (output: string, argv: string[]) => {
          const checkpoint = ['--checkpoint', join(whole, 'checkpoint_1.pth')];
          const { status, stderr, job } = lavis(
            output,
            [...checkpoint, ...argv],
            ["run.test_splits=['val','test']"],
          );
          assert.equal(status, 0, stderr);
          return readFileSync(join(job(), 'evaluate.txt'), 'utf8');
        };
        const one = scores('one', []);
        assert.equal(one.trim().split('\n').length, 2);
        assert.equal(scores('shared', two), one);
      });
    }
  });
}

interface Content {
  model: Record<string, Float32Array>;
}
