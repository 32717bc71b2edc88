import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';

/** One of tests/fixtures/mistakes/mistakes.yaml, made. */
interface Made {
  title: string;
  wrong?: string;
  at?: string;
  says: string[];
  text: string;
  /** Where in it `wrong` begins. */
  start: number;
  code: number;
  printed: string;
}

const node = (script: string, ...more: string[]) =>
  spawnSync(process.execPath, [script, ...more], {
    encoding: 'utf8',
    env: { ...process.env, LAVIS_DEBUG: '' },
  });

describe('mistakes in a project end in messages for a newcomer', () => {
  const { stdout, stderr } = node('scripts/docs/mistakes.mjs');
  assert.ok(stdout, stderr);
  const made = JSON.parse(stdout) as Made[];

  test('forty of them', () => assert.ok(made.length >= 40));

  for (const mistake of made) {
    const { at, says, code, printed } = mistake;
    test(mistake.title, () => {
      assert.ok(code === 1 || code === 2, `exit code ${code}\n${printed}`);
      assert.match(printed, /^(\w+Error|lavis): /);
      assert.doesNotMatch(printed, /\n\s+at |undefined|NaN/);
      const place = at === undefined ? [] : [placeOf(mistake, at)];
      for (const part of [...place, ...says])
        assert.ok(printed.includes(part), `${part}\nis not in\n${printed}`);
    });
  }
});

/** `run.yaml:line:column` of a part of what was written wrong. */
function placeOf({ text, start, wrong = '' }: Made, part: string): string {
  const inside = wrong.indexOf(part);
  assert.ok(inside >= 0, part);
  const before = text.slice(0, start + inside + part.search(/[^ ]/)).split('\n');
  return `run.yaml:${before.length}:${before.at(-1)!.length + 1}`;
}

test('the generated pages are what the sources say', () => {
  const { status, stderr } = node('scripts/docs/generate.mjs', '--check');
  assert.equal(status, 0, stderr);
});
