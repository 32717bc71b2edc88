/** What an evaluation needs is looked at before anything is trained, by every command alike. */
import assert from 'node:assert/strict';
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { type TinyRun, tinyRun } from '../runners/tiny_run.js';
import { temporaryFolder } from '../support.js';
import { lavis } from './lavis.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

const COMMANDS: [name: string, argv: string[]][] = [
  ['train', ['train', '--device', 'cpu']],
  ['train --dry-run', ['train', '--dry-run', '--device', 'cpu']],
  ['eval', ['eval', '--device', 'cpu']],
];

describe('before the first step', () => {
  let tiny: TinyRun;
  before(async () => {
    tiny = await tinyRun(folder);
    writeFileSync(at('list.json'), '[]');
    writeFileSync(at('other.json'), JSON.stringify({ annotations: [{ image_id: 99, caption: 'x' }] }));
  });

  const FAULTS: [what: string, options: () => string[], says: RegExp][] = [
    [
      'missing ground truth',
      () => [`run.annotation_file=${at('none.json')}`],
      /none\.json[\s\S]*no such file/,
    ],
    ['a list for ground truth', () => [`run.annotation_file=${at('list.json')}`], /no COCO caption file/],
    [
      'ground truth of other images',
      () => [`run.annotation_file=${at('other.json')}`],
      /3 of the 3 images of coco_caption \w+ are not in the ground truth/,
    ],
  ];

  for (const [command, argv] of COMMANDS) {
    for (const [what, options, says] of FAULTS) {
      it(`${command} tells of ${what}`, async () => {
        const { code, stdout, stderr } = await lavis(
          ...[...argv, '--cfg-path', tiny.yaml, '--options', ...tiny.output('out'), ...options()],
        );
        assert.equal(code, 1, stdout);
        assert.match(stderr, says);
        assert.doesNotMatch(stderr, /\n\s+at /);
        assert.ok(!existsSync(at('out')), 'nothing was begun');
      });
    }

    it(`${command} tells of a missing image`, async () => {
      const image = at('images/tiny_6.png');
      renameSync(image, `${image}.away`);
      const { code, stderr } = await lavis(
        ...[...argv, '--cfg-path', tiny.yaml, '--options', ...tiny.output('out')],
      );
      renameSync(`${image}.away`, image);
      assert.equal(code, 1);
      assert.match(stderr, /an image is missing[\s\S]*tiny_6\.png/);
      assert.ok(!existsSync(at('out')), 'nothing was begun');
    });
  }
});
