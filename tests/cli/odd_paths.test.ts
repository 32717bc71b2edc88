import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { jobFolder, lavis } from '../end_to_end/lavis.js';
import { type TinyRun, tinyRun } from '../runners/tiny_run.js';
import { temporaryFolder } from '../support.js';

/** What YAML reads as a mapping, a comment, an interpolation, a list, an anchor, an alias, a tag, or refuses. */
const ODD = [
  'a: b',
  'a #b',
  `\${run.seed}`,
  '[a',
  '[a] b',
  '{a',
  '&a',
  '*a',
  '!a',
  '%a',
  '@a',
  "it's",
  '- a',
  '010',
];

describe('options in pairs, and paths that YAML would read as something else', () => {
  let tiny: TinyRun;
  let checkpoint: string;
  const folder = temporaryFolder();
  const pairs = (name: string) => [
    ...['--options', 'run.output_dir', JSON.stringify(join(folder, name))],
    ...['run.max_epoch', '1'],
  ];
  const common = () => ['--cfg-path', tiny.yaml, '--device', 'cpu'];

  before(async () => {
    tiny = await tinyRun(folder, { save_freq: 1, valid_splits: ['val'], test_splits: ['test'] });
    const { code, stderr } = await lavis('train', ...common(), ...pairs('a: b #c [d &e'));
    assert.equal(code, 0, stderr);
    const job = jobFolder(join(folder, 'a: b #c [d &e'));
    checkpoint = join(job, readdirSync(job).find((name) => /^checkpoint_.*\.pth$/.test(name))!);
  });

  it('train goes on from a checkpoint in such a folder', async () => {
    const { code, stderr } = await lavis('train', '--resume', ...common(), ...pairs('a: b #c [d &e'));
    assert.equal(code, 0, stderr);
    assert.match(stderr, /a: b #c \[d &e/);
    assert.equal(readdirSync(join(folder, 'a: b #c [d &e')).length, 1);
  });

  it('a dry run leaves nothing in such a folder', async () => {
    const { code, stderr } = await lavis('train', '--dry-run', ...common(), ...pairs('n: m #o'));
    assert.equal(code, 0, stderr);
    assert.ok(!existsSync(join(folder, 'n: m #o')));
  });

  it('caption takes them', async () => {
    const image = join(folder, 'images', 'tiny_1.png');
    const { code, stderr } = await lavis('caption', image, ...common(), ...pairs('a: b #c [d &e'));
    assert.equal(code, 0, stderr);
    assert.match(stderr, /With the weights that the run made: .*a: b #c \[d &e/);
  });

  for (const name of ODD) {
    it(`eval takes weights from a folder called ${name}`, async () => {
      mkdirSync(join(folder, name), { recursive: true });
      const copy = join(folder, name, 'weights.pth');
      copyFileSync(checkpoint, copy);
      const { code, stderr } = await lavis(
        ...['eval', '--checkpoint', copy, ...common()],
        ...['--options', 'run.output_dir', JSON.stringify(join(folder, `scores ${ODD.indexOf(name)}`))],
      );
      assert.equal(code, 0, stderr);
      assert.ok(existsSync(join(jobFolder(join(folder, `scores ${ODD.indexOf(name)}`)), 'evaluate.txt')));
    });
  }
});
