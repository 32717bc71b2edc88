import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { ConfigError } from '#src/common/errors.js';
import { makeFolder, makeFolderInside } from '#src/common/files.js';
import { lavis } from '../end_to_end/lavis.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();
const file = join(folder, 'file');
writeFileSync(file, '');

describe('a folder that cannot be made', () => {
  const before = { cache: process.env.LAVIS_CACHE_ROOT, temporary: process.env.TMPDIR };
  afterEach(() => {
    for (const [name, value] of [
      ['LAVIS_CACHE_ROOT', before.cache],
      ['TMPDIR', before.temporary],
    ] as const) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });

  const told = (make: () => unknown): string => {
    try {
      make();
    } catch (thrown) {
      assert.ok(thrown instanceof ConfigError, String(thrown));
      assert.doesNotMatch(thrown.message, /E[A-Z]{3,}:/);
      return thrown.message;
    }
    return 'no error';
  };

  test('names what chooses where it lies', () => {
    assert.match(
      told(() => makeFolder(join(file, 'x'), 'run.output_dir=FOLDER')),
      /a part of the path is a file[\s\S]*run\.output_dir=FOLDER/,
    );
    process.env.LAVIS_CACHE_ROOT = join(file, 'cache');
    assert.match(
      told(() => makeFolder(join(file, 'cache', 'coco'))),
      /LAVIS_CACHE_ROOT=FOLDER, or env\.cache_root/,
    );
    process.env.TMPDIR = join(file, 'tmp');
    assert.match(
      told(() => makeFolderInside(join(file, 'tmp'), 'a-')),
      /TMPDIR=FOLDER/,
    );
    assert.match(
      told(() => makeFolder(join(folder, 'a'.repeat(300)))),
      /the name is longer/,
    );
  });

  test('is told as soon as a command needs it', async () => {
    process.env.LAVIS_CACHE_ROOT = join(file, 'cache');
    const fetched = await lavis('download', 'bert-base-uncased');
    assert.equal(fetched.code, 1);
    assert.match(fetched.stderr, /ConfigError: the folder .* cannot be written[\s\S]*LAVIS_CACHE_ROOT/);
    const yaml = 'projects/blip/train/caption_shapes.yaml';
    const drawn = await lavis(
      'train',
      '--dry-run',
      '--cfg-path',
      yaml,
      '--options',
      `run.output_dir=${folder}`,
    );
    assert.equal(drawn.code, 1);
    assert.match(drawn.stderr, /LAVIS_CACHE_ROOT/);
    const tried = await lavis(
      'train',
      '--dry-run',
      '--cfg-path',
      yaml,
      '--options',
      `run.output_dir=${file}`,
    );
    assert.match(tried.stderr, /file cannot be written[\s\S]*run\.output_dir=FOLDER/);
  });

  test('one that can be is made with those above it', () => {
    assert.equal(makeFolder(join(folder, 'a', 'b')), join(folder, 'a'));
    assert.equal(makeFolder(join(folder, 'a', 'b')), undefined);
    assert.ok(existsSync(makeFolderInside(join(folder, 'c', 'd'), 'x-')));
  });
});
