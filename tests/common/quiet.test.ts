import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { it } from 'node:test';

/** A program that prints through the C library, inside `quietly` and outside of it. */
const PROGRAM = `
  import koffi from 'koffi';
  import { quietly, quietlyUntilDone } from '#src/common/quiet.js';
  const library = koffi.load(null);
  const puts = library.func('int puts(const char *)');
  const perror = library.func('void perror(const char *)');
  const both = (text) => { puts(text); perror(text); };
  both('before');
  quietly(() => quietly(() => both('within')));
  await quietlyUntilDone(async () => { await null; both('during'); });
  try { quietly(() => { both('thrown'); throw new Error('from a call'); }); } catch (error) { console.log(error.message); }
  both('after');`;

const printed = (LAVIS_DEBUG: string) => {
  const env = { ...process.env, LAVIS_DEBUG };
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', PROGRAM], {
    env,
    encoding: 'utf8',
  });
  return { stdout: stdout.split('\n').filter(Boolean), errors: stderr.match(/^\w+(?=: )/gm) };
};

const windows = { skip: process.platform === 'win32' && 'each library has descriptors of its own' };

it(
  'what a native library prints within a quiet call is not seen, what it prints around it is',
  windows,
  () => {
    const { stdout, errors } = printed('');
    assert.deepEqual(stdout.sort(), ['after', 'before', 'from a call']);
    assert.deepEqual(errors, ['before', 'after']);
  },
);

it('LAVIS_DEBUG=1 lets all of it through', windows, () => {
  const { stdout, errors } = printed('1');
  assert.deepEqual(stdout.sort(), ['after', 'before', 'during', 'from a call', 'thrown', 'within']);
  assert.deepEqual(errors, ['before', 'within', 'during', 'thrown', 'after']);
});

it('a process that is started with its standard error closed keeps its standard output', windows, () => {
  const command = '"$0" --input-type=module -e "$1" 2>&-';
  const env = { ...process.env, LAVIS_DEBUG: '' };
  const { stdout } = spawnSync('sh', ['-c', command, process.execPath, PROGRAM], { env, encoding: 'utf8' });
  assert.deepEqual(stdout.split('\n').filter(Boolean).sort(), ['after', 'before', 'from a call']);
});
