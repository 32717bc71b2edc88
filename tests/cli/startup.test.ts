import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { commands, nameOf } from '#src/cli/commands.js';

/** Writes every package that is imported to standard error. */
const HOOK = `
  import { register } from 'node:module';
  register('data:text/javascript,' + encodeURIComponent(\`
    import { writeSync } from 'node:fs';
    export async function resolve(name, context, next) {
      if (/^[@\\\\w]/.test(name) && !/^(node|file|data):/.test(name)) writeSync(2, 'imports ' + name + '\\\\n');
      return next(name, context);
    }\`));`;

function importsOf(...argv: string[]): { imports: string[]; stdout: string } {
  const hook = `data:text/javascript,${encodeURIComponent(HOOK)}`;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', hook, 'bin/lavis.js', ...argv],
    { encoding: 'utf8' },
  );
  assert.equal(status, 0, stderr);
  return { stdout, imports: [...stderr.matchAll(/^imports (\S+)$/gm)].map(([, name]) => name) };
}

describe('a command line loads what it uses', () => {
  it('lavis --version: no parser of command lines', () => {
    const { imports, stdout } = importsOf('--version');
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
    assert.deepEqual(imports, ['js-yaml']);
  });

  const helps = commands.map((listed) => [nameOf(listed), '--help']);
  const completions = [['completion'], ['--get-yargs-completions', 'lavis', 'caption', '--num']];
  for (const argv of [['--help'], ...helps, ...completions]) {
    it(`lavis ${argv.join(' ')}: no tensors, no images, no schemas`, () => {
      const { imports, stdout } = importsOf(...argv);
      assert.ok(imports.includes('yargs'));
      assert.deepEqual(
        imports.filter((name) => /tensorflow|onnx|sharp|zod|tokenizers|koffi/.test(name)),
        [],
      );
      assert.match(stdout, argv[0] === 'completion' ? /complete .*lavis/ : /^lavis [<\w]|--num-beams/);
    });
  }

  it('every listed command is there', async () => {
    for (const listed of commands) {
      const { options, examples, handler } = await listed.load();
      assert.equal(typeof handler, 'function');
      assert.equal(typeof options, 'object');
      for (const [line] of examples) assert.match(line, new RegExp(`\\blavis ${nameOf(listed)}\\b`));
    }
  });
});
