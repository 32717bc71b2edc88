import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { type TinyRun, tinyRun } from '../runners/tiny_run.js';
import { temporaryFolder } from '../support.js';
import { finished } from './ranks.js';

const folder = temporaryFolder();

describe('the workers of a machine, started by srun', () => {
  let tiny: TinyRun;
  before(async () => {
    tiny = await tinyRun(folder, { device: 'cuda', gpu: 1 });
  });

  /** `lavis train --dry-run` as two tasks of a step; the data is not there, which ends it early. */
  async function start(): Promise<string> {
    const missing = 'datasets.coco_caption.build_info.annotations.train.storage=/nowhere/train.json';
    const argv = ['bin/lavis.js', 'train', '--dry-run', '--cfg-path', tiny.yaml, '--options'];
    const step = { SLURM_JOB_ID: String(process.pid), SLURM_STEP_ID: '0', SLURM_STEP_NUM_TASKS: '2' };
    const tasks = [0, 1].map((task) => {
      const mine = { SLURM_PROCID: String(task), SLURM_LOCALID: String(task) };
      const env = { ...process.env, ...step, ...mine, TMPDIR: folder };
      const output = [`run.output_dir=${join(folder, 'out')}`, missing];
      return finished(spawn(process.execPath, [...argv, ...output], { env }));
    });
    return (await Promise.all(tasks)).map(({ output }) => output).join('');
  }

  it('share its GPUs out, and are told once that run.gpu names a single one', async () => {
    const output = await start();
    assert.equal(output.match(/run\.gpu is 1, one GPU for the 2 workers of a machine/g)?.length, 1, output);
    assert.match(output, /run\.device is cuda, which is not there/);
  });
});
