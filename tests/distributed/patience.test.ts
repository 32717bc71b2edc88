/** What ranks agree on, and what they wait for. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { jobFolder } from '../end_to_end/lavis.js';
import { contentOf, type TinyRun, tinyRun } from '../runners/tiny_run.js';
import { temporaryFolder } from '../support.js';
import { finished } from './ranks.js';

const folder = temporaryFolder();
const noNamespaces =
  spawnSync('unshare', ['--mount', 'true']).status === 0
    ? false
    : 'no file system of its own can be given to a rank';

describe('several workers', () => {
  let tiny: TinyRun;
  before(async () => {
    tiny = await tinyRun(folder);
  });
  const lavis = (name: string, flags: string[] = [], options: string[] = []) => [
    ...['bin/lavis.js', 'train', '--cfg-path', tiny.yaml, '--device', 'cpu', ...flags],
    ...['--options', ...tiny.output(name), ...options],
  ];
  const start = (...args: Parameters<typeof lavis>) =>
    spawn(process.execPath, lavis(...args), { env: { ...process.env, LAVIS_THREADS: '1' } });

  it('wait for the scores that rank 0 makes, though they take longer than run.dist_timeout', async () => {
    const plugin = join(folder, 'slow.mjs');
    const index = pathToFileURL(join(import.meta.dirname, '../../../dist/index.js')).href;
    writeFileSync(
      plugin,
      `import { CaptionTask, registry } from ${JSON.stringify(index)};
      class Slow extends CaptionTask {
        async afterEvaluation(...args) {
          await new Promise((resolve) => setTimeout(resolve, 5000));
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4000);
          return super.afterEvaluation(...args);
        }
      }
      registry.registerTask('slow')(Slow);
      `,
    );
    const options = ['run.task=slow', 'run.dist_timeout=6', 'run.max_epoch=1', 'run.test_splits=[]'];
    const flags = ['--plugin', plugin, '--nproc-per-node', '2'];
    const { code, output } = await finished(start('slow', flags, options));
    assert.equal(code, 0, output);
    assert.match(readFileSync(join(jobFolder(join(folder, 'slow')), 'evaluate.txt'), 'utf8'), /CIDEr/);
  });

  it('go on from the checkpoint that rank 0 sees, and test what it calls the best', {
    skip: noNamespaces,
  }, async () => {
    const saved = ['run.save_freq=1', 'run.accum_grad_iters=2'];
    const begun = await finished(start('sighted', ['--nproc-per-node', '2'], [...saved, 'run.max_epoch=1']));
    assert.equal(begun.code, 0, begun.output);
    cpSync(join(folder, 'sighted'), join(folder, 'blind'), { recursive: true, preserveTimestamps: true });
    const flags = ['--resume'];
    const options = [...saved, 'run.max_epoch=2'];
    const sighted = await finished(start('sighted', [...flags, '--nproc-per-node', '2'], options));
    assert.equal(sighted.code, 0, sighted.output);

    // Rank 1 sees an empty folder where rank 0 has its runs.
    const ranks = [0, 1].map((rank) => {
      const env = {
        ...{
          ...process.env,
          LAVIS_THREADS: '1',
          WORLD_SIZE: '2',
          RANK: String(rank),
          LOCAL_RANK: String(rank),
        },
        LAVIS_MEETING_FOLDER: join(folder, 'meeting'),
      };
      const argv = [process.execPath, ...lavis('blind', flags, options)];
      const hidden = `mount -t tmpfs none '${join(folder, 'blind')}' && exec "$@"`;
      const [command, ...rest] =
        rank === 0 ? argv : ['unshare', '--mount', 'sh', '-c', hidden, 'sh', ...argv];
      return finished(spawn(command, rest, { env }));
    });
    for (const { code, output } of await Promise.all(ranks)) {
      assert.equal(code, 0, output);
      assert.doesNotMatch(output, /is gone|no checkpoint/);
    }
    type Content = { model: Record<string, Float32Array>; optimizer: unknown };
    const content = async (name: string) => {
      const path = join(jobFolder(join(folder, name)), 'checkpoint_1.pth');
      assert.ok(existsSync(path), path);
      const { model, optimizer } = (await contentOf(path)) as Content;
      return { model, optimizer };
    };
    assert.deepEqual(await content('blind'), await content('sighted'));
    const scores = (name: string) =>
      readFileSync(join(jobFolder(join(folder, name)), 'evaluate.txt'), 'utf8');
    assert.equal(scores('blind'), scores('sighted'));
  });
});
