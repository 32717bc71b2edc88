import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { dump } from 'js-yaml';
import { ConfigError } from '#src/common/errors.js';
import { parseYaml, toPlain } from '#src/config/index.js';

const read = (text: string) => toPlain(parseYaml(text, { kind: 'file', file: 'f.yaml' }));
// through JSON, which has no -0
const finite = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value)));

describe('YAML', () => {
  test('reads what was written, as JSON and as YAML', () => {
    fc.assert(
      fc.property(finite, (value) => {
        assert.deepEqual(read(JSON.stringify(value)), value);
        assert.deepEqual(read(dump(value, { noRefs: true })), value);
      }),
      { numRuns: 300 },
    );
  });

  test('any text is read or refused with a ConfigError', () => {
    const pieces = fc.constantFrom(
      'a',
      ': ',
      '\n',
      '  ',
      '- ',
      '[',
      ']',
      '{',
      '}',
      '&x ',
      '*x',
      '<<: ',
      '!!int ',
      '"',
      "'",
      '|',
      '#',
      '1e-5',
      '\t',
      '? ',
      ',',
      '%',
      '---\n',
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(pieces, { maxLength: 30 }).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (source) => {
        try {
          read(source);
        } catch (thrown) {
          assert.ok(thrown instanceof ConfigError, String(thrown));
        }
      }),
      { numRuns: 3000 },
    );
  });

  test('anchors, aliases and merge keys, the nearer one winning', () => {
    const text =
      'base: &b {a: 1, b: 2}\nx: &x {<<: *b, b: 3}\ny: {<<: [*x, {a: 9, c: 4}]}\nz: [*x, &n 5, *n]\n';
    assert.deepEqual(read(text), {
      base: { a: 1, b: 2 },
      x: { b: 3, a: 1 },
      y: { a: 1, b: 3, c: 4 },
      z: [{ b: 3, a: 1 }, 5, 5],
    });
    assert.throws(() => read('a: *nowhere\n'), /no anchor '&nowhere'[\s\S]*f\.yaml:1:4/);
    assert.throws(() => read('a: !!python/object x\n'), /cannot be read as !!python\/object/);
  });

  test('block texts, line ends of Windows and a byte order mark', () => {
    assert.deepEqual(read('\uFEFFa: |\r\n  one\r\n  two\r\nb: >-\r\n  one\r\n  two\r\n'), {
      a: 'one\ntwo\n',
      b: 'one two',
    });
    assert.throws(() => read('a: 1\r\nb: 2\r\nb: 3\r\n'), /f\.yaml:3:1/);
  });

  test('a key named __proto__ is a key', () => {
    const value = read('__proto__: {polluted: yes}\n') as object;
    assert.deepEqual(Object.keys(value), ['__proto__']);
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  });
});
