import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { Config, registry } from '#src/index.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();
const filesIn = (place: string, ending: string) =>
  readdirSync(place, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(place, name));

function run(command: string, args: string[], cwd?: string) {
  const { status, stdout, stderr } = spawnSync(command, args, {
    ...{ encoding: 'utf8', cwd },
    env: { ...process.env, LAVIS_DEBUG: '' },
  });
  return { status, stdout, stderr };
}

describe('the runs that the package brings', () => {
  const yamls = filesIn('projects', '.yaml');
  test('are some', () => assert.ok(yamls.length >= 7));

  for (const yaml of yamls) {
    test(`lavis config prints ${yaml}, and what it prints is the same run`, async () => {
      const { status, stdout, stderr } = run(process.execPath, [
        'bin/lavis.js',
        'config',
        '--cfg-path',
        yaml,
      ]);
      assert.equal(status, 0, stderr);
      const printed = join(folder, 'printed.yaml');
      writeFileSync(printed, stdout);
      const again = await Config.fromFile(printed, [], { check: true });
      assert.deepEqual(again.toJSON(), (await Config.fromFile(yaml)).toJSON());
      assert.ok(registry.listTasks().includes(String(again.run.task)));
    });
  }
});

describe('the scripts that the package brings', () => {
  const scripts = filesIn('run_scripts', '.sh');
  test('are some', () => assert.ok(scripts.length >= 7));

  for (const script of scripts) {
    test(`${script} calls lavis from anywhere with options that there are, and passes on what is added`, () => {
      const { status, stderr } = run('bash', ['-n', script]);
      assert.equal(status, 0, stderr);
      // Only the fault that is added: the YAML is found and has none, and every option is known.
      const added = ['--options', 'run.max_epochs=1'];
      const failed = run('bash', [resolve(script), ...added], folder);
      assert.equal(failed.status, 1, failed.stderr);
      assert.match(failed.stderr, /^ConfigError: run\.max_epochs is not known\n(?!.*things)/);
      assert.equal(failed.stdout, '');
    });
  }
});
