import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { type TinyRun, tinyRun } from '../runners/tiny_run.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();

describe('what fails in several workers', () => {
  let tiny: TinyRun;
  /** Notes each process that loads it. */
  const plugin = join(folder, 'plugin.mjs');
  const processes = join(folder, 'processes');

  const train = (flags: string[], ...options: string[]) => {
    const argv = ['bin/lavis.js', 'train', '--cfg-path', tiny.yaml, '--plugin', plugin, ...flags];
    const rest = ['--options', ...tiny.output('out'), ...options];
    const { status, stderr } = spawnSync(process.execPath, [...argv, ...rest], { encoding: 'utf8' });
    assert.equal(status, 1, stderr);
    const out = join(folder, 'out');
    assert.deepEqual(existsSync(out) ? readdirSync(out) : [], [], 'a run left a folder');
    return stderr;
  };

  before(async () => {
    tiny = await tinyRun(folder, { device: 'cuda' });
    const note = `appendFileSync(${JSON.stringify(processes)}, (process.env.RANK ?? 'launcher') + '\\n')`;
    writeFileSync(plugin, `import { appendFileSync } from 'node:fs';\n${note};\n`);
  });

  for (const flags of [[], ['--dry-run']]) {
    it(`is told once and last: ${['train', ...flags].join(' ')} without its data`, () => {
      const missing = 'datasets.coco_caption.build_info.annotations.train.storage=/nowhere/train.json';
      const alone = train(flags, missing);
      const error = alone.slice(alone.search(/^DataError: /m));
      assert.match(error, /\/nowhere\/train\.json/);
      const together = train([...flags, '--nproc-per-node', '3'], missing);
      const account = 'rank 0 of 3 failed first (exit code 1), 2 others ended because of it:\n';
      assert.ok(together.endsWith(`\n${account}${error}`), together);
      assert.doesNotMatch(together, /\[rank \d\]/, 'others have nothing to add');
      const warnings = (text: string) => text.match(/warning: run\.device is cuda/g)?.length;
      assert.equal(warnings(together), warnings(alone), together);
    });
  }

  const faults: [what: string, flags: string[], options: string[], message: RegExp][] = [
    ['a name', [], ['run.lr_sched=linear_warmup'], /^ConfigError: .*'linear_warmup'/],
    ['a key', [], ['run.max_epochs=3'], /^ConfigError: .*max_epochs/],
    ['a dataset', [], ['datasets.coco_captions.vis_processor=null'], /^ConfigError: .*'coco_captions'/],
    ['a device', ['--device', 'cud'], [], /^EngineError: unknown device 'cud': did you mean 'cuda'/],
  ];
  for (const [what, flags, options, message] of faults) {
    it(`is told by the launcher, before a worker starts: ${what} that is unknown`, () => {
      writeFileSync(processes, '');
      assert.match(train([...flags, '--nproc-per-node', '3'], ...options), message);
      assert.doesNotMatch(readFileSync(processes, 'utf8'), /\d/);
    });
  }
});
