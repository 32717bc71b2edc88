import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { temporaryFolder } from '../support.js';
import { jobFolder, lavis } from './lavis.js';

interface Shown {
  samples: { asked?: string; said: string; files: string[]; references: string[] }[];
}

const cache = process.env.LAVIS_CACHE_ROOT;
const scenesFolder = temporaryFolder();
before(() => {
  process.env.LAVIS_CACHE_ROOT = scenesFolder;
});
after(() => {
  if (cache === undefined) delete process.env.LAVIS_CACHE_ROOT;
  else process.env.LAVIS_CACHE_ROOT = cache;
});

interface SmallRun {
  name: string;
  data: string;
  options: string[];
  /** Scores at the end; a run without any evaluates nothing. */
  metrics?: string[];
  /** The file of results, where there is one. */
  results?: string;
  /** How many are shown of a sample. */
  pictures?: number;
}

/** The small runs of the family, on a handful of scenes. */
const RUNS: SmallRun[] = [
  { name: 'pretrain', data: 'shapes_retrieval', options: ['model.queue_size=8'] },
  {
    name: 'retrieval',
    data: 'shapes_retrieval',
    options: ['model.queue_size=8', 'run.k_test=3'],
    metrics: [
      'txt_r1',
      'txt_r5',
      'txt_r10',
      'txt_r_mean',
      'img_r1',
      'img_r5',
      'img_r10',
      'img_r_mean',
      'r_mean',
    ],
    pictures: 1,
  },
  {
    name: 'vqa',
    data: 'shapes_vqa',
    options: ['run.num_ans_candidates=3'],
    metrics: ['agg_metrics', 'other', 'number', 'yes/no'],
    results: 'test_vqa_result.json',
    pictures: 1,
  },
  {
    name: 'nlvr',
    data: 'shapes_nlvr',
    options: [],
    metrics: ['agg_metrics', 'acc'],
    results: 'test_epochbest.json',
    pictures: 2,
  },
];

for (const { name, data, options, metrics, results, pictures } of RUNS) {
  describe(`projects/blip/train/${name}_shapes.yaml`, () => {
    const folder = temporaryFolder();
    const yaml = `projects/blip/train/${name}_shapes.yaml`;
    const argv = [
      '--cfg-path',
      yaml,
      '--device',
      'cpu',
      '--options',
      `run.output_dir=${join(folder, 'output')}`,
    ];
    const scenes = ['train=12', 'val=4', 'test=4'].map((n) => `datasets.${data}.build_info.scenes.${n}`);
    const small = ['run.batch_size_train=4', 'run.batch_size_eval=4', 'run.max_epoch=1', 'run.num_workers=0'];
    const all = [...argv, ...scenes, ...small, 'model.load_pretrained=False', ...options];
    let job: string;

    before(async () => {
      const { code, stderr } = await lavis('train', ...all);
      assert.equal(code, 0, stderr);
      job = jobFolder(join(folder, 'output'));
    });

    it('trains, evaluates and scores, and leaves a report', () => {
      assert.ok(existsSync(join(job, 'checkpoint_0.pth')));
      assert.ok(existsSync(join(job, 'report.html')));
      const log = readFileSync(join(job, 'log.txt'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      const [, train] = log;
      assert.ok(Number.isFinite(Number(train.train_loss)), JSON.stringify(train));
      for (const metric of metrics ?? []) assert.ok(`test_${metric}` in log.at(-1), metric);
      if (!metrics) assert.equal(log.length, 2);
      if (results) assert.ok(JSON.parse(readFileSync(join(job, 'result', results), 'utf8')).length > 3);
    });

    if (pictures) {
      it('shows what was asked, said and true beside its pictures', () => {
        const { samples }: Shown = JSON.parse(
          readFileSync(join(job, 'shown', 'test_epochbest.json'), 'utf8'),
        );
        for (const { asked, said, files, references } of samples.slice(0, 4)) {
          assert.ok(asked && said && references.length > 0);
          assert.equal(files.length, pictures);
          for (const file of files) assert.ok(existsSync(file), file);
        }
      });

      it('evaluates a checkpoint to the scores that the run ended with', async () => {
        const checkpoint = ['--checkpoint', join(job, 'checkpoint_best.pth')];
        const output = join(folder, 'evaluated');
        const { code, stderr } = await lavis('eval', ...checkpoint, ...all, `run.output_dir=${output}`);
        assert.equal(code, 0, stderr);
        const last = (path: string) =>
          readFileSync(join(path, 'evaluate.txt'), 'utf8').trim().split('\n').at(-1);
        assert.equal(last(jobFolder(output)), last(job));
      });
    }

    it('is tried out by a dry run, and its data looked at', async () => {
      const tried = await lavis('train', '--dry-run', ...all);
      assert.equal(tried.code, 0, tried.stderr);
      assert.match(tried.stdout, /activations were guessed at/);
      assert.match(tried.stdout, /^the run +\d\d:\d\d:\d\d: /m);
      const sheet = join(folder, 'sheet.png');
      const looked = await lavis('data', '--sheet', sheet, '--cfg-path', yaml, '--options', ...scenes);
      assert.equal(looked.code, 0, looked.stdout + looked.stderr);
      assert.match(looked.stdout, new RegExp(`^${data} train: \\d+ samples\\n +words`, 'm'));
      assert.ok(existsSync(sheet));
    });
  });
}
