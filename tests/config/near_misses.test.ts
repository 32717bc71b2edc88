import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { z } from 'zod';
import { ConfigError } from '#src/common/errors.js';
import { Registry } from '#src/common/registry.js';
import { Config, key, parseYaml, toPlain, types } from '#src/config/index.js';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();
const registry = new Registry();
const register = (decorate: unknown, statics: object) =>
  (decorate as (value: unknown) => void)(Object.assign(class {}, statics));
const of = (type: z.ZodType) => key(type, undefined, 'x');
register(registry.registerModel('m'), { defaultConfigs: {} });
register(registry.registerBuilder('d'), { defaultConfigs: {} });
register(registry.registerTask('t'), {
  configSchema: z.strictObject({
    n: of(types.natural),
    x: of(types.size),
    flag: of(types.flag),
    text: of(types.text),
    list: of(types.texts),
    table: of(z.looseObject({})),
  }),
});

const text = (run: string) => `model: {arch: m, model_type: t}\ndatasets: {d: {}}\nrun:\n  task: t\n${run}`;

async function load(content: string | Uint8Array, options: string[] = []): Promise<Config> {
  const path = join(folder, 'run.yaml');
  writeFileSync(path, content);
  return Config.fromFile(path, options, { registry, check: true });
}

const message = (content: string | Uint8Array, options: string[] = []) =>
  load(content, options).then(
    () => 'no error',
    (thrown: ConfigError) => {
      assert.ok(thrown instanceof ConfigError, String(thrown));
      return thrown.message;
    },
  );

describe('a value that is nearly right is told how it is written', () => {
  const cases: [line: string, ...said: string[]][] = [
    ['n: None', "the text 'None'", 'write null'],
    ['n: n/a', 'write null'],
    ['n: 0o17', 'write 15'],
    ['n: "16"', 'write it without quotes'],
    ['n: 1,000', 'write 1000 without a separator, or 1.000'],
    ['n: 1,000,000', 'write 1000000 without a separator'],
    ['n: 10k', 'write 10000'],
    ['n: 2 * 8', 'write 16'],
    ['n: 16,', 'leave out the ,'],
    ['n: 16#two', 'a comment begins with a space'],
    ['n: 7\u200b', "the text '7<U+200B>'", 'U+200B (a zero-width space)'],
    ['x: \u22121', 'U+2212 (a minus of typography)'],
    ['n: 99999999999999999999', 'written 99999999999999999999', 'at most 9007199254740991'],
    ['x: .inf', 'found:   .inf', 'a finite number'],
    ['x: -.inf', 'found:   -.inf'],
    ['x: .nan', 'found:   .nan'],
    ['x: 1,5', 'a decimal point: 1.5'],
    ['x: 5%', 'a share of 1: 0.05'],
    ['x: 10**-5', 'write 0.00001'],
    ['x: 3*10^-4', 'write 0.0003'],
    ['flag: y', 'flag: True'],
    ['flag: 0', 'flag: False'],
    ['flag: "false"', 'write it without quotes'],
    ['text: 010', 'found:   8, written 010', 'text: "010"'],
    ['text: no', 'found:   false, written no', 'text: "no"'],
    ['text: 1:30', 'found:   90, written 1:30', 'text: "1:30"'],
    ['text: [a]', 'text: a'],
    ['list: a, b', 'list: [a, b]'],
    ['list: a b', 'list: [a, b]'],
    ['list: (a,b)', 'list: [a, b]'],
    ['list: "[a, b]"', 'list: [a, b]'],
    ['list: {a, b}', 'list: [a, b]'],
    ['list: 5', 'list: [5]'],
    ['table:\n    - a: 1\n    - b: 2', 'a mapping has no - before its keys'],
    ['n\u200b: 5', 'run.n<U+200B> is not known', 'U+200B (a zero-width space)'],
  ];
  for (const [line, ...said] of cases) {
    test(line, async () => {
      const told = await message(text(`  ${line}\n`));
      for (const part of said) assert.ok(told.includes(part), `${part}\nis not in\n${told}`);
    });
  }

  test('in an option, as it is typed', async () => {
    const told = (option: string) => message(text(''), [option]);
    assert.match(await told('run.text=123'), /--options 'run\.text="123"'/);
    assert.match(await told('run.list=a,b'), /--options 'run\.list=\[a, b\]'/);
    assert.match(await told('run.flag=1'), /--options run\.flag=True/);
    assert.match(await told('run.table=a: 1'), /--options 'run\.table=\{a: 1\}'/);
    assert.match(await told(`run.text=\${HOME}/x`), /\$\{oc\.env:HOME\}/);
    assert.match(await told('run.text=[a'), /cannot read the value of --options run\.text=\[a/);
  });
});

test('an option is one text where YAML would see a comment, an anchor, a mapping or nothing at all', async () => {
  for (const value of [
    'a: b',
    'a #b',
    '#b',
    '&a',
    '*a b',
    '%a',
    '@a',
    '!a',
    '- a',
    '[a] b',
    '{a}/b',
    "it's",
    'C:\\a',
  ]) {
    assert.equal((await load(text(''), [`run.text=${value}`])).run.text, value);
    assert.equal((await load(text(''), ['run.text', value])).run.text, value);
  }
  const { run } = await load(text(''), [
    'run.list=[a, b]',
    'run.text="10"',
    'run.n=8',
    'run.x=null',
    'run.table={a: 1}',
  ]);
  assert.deepEqual([run.list, run.text, run.n, run.x, run.table], [['a', 'b'], '10', 8, null, { a: 1 }]);
});

describe('what YAML cannot read is told with what is behind it', () => {
  const cases: [lines: string, said: string][] = [
    ['  text: a: b', "put quotes around a value that contains a colon and a space: text: 'a: b'"],
    ['  text: %a', "a value that begins with % goes in quotes: text: '%a'"],
    ['  text: @a # why', "a value that begins with @ goes in quotes: text: '@a'"],
    ['  text: *a', "a value that begins with * goes in quotes: text: '*a'"],
    ['  text: !a', "a value that begins with ! goes in quotes: text: '!a'"],
    ['  n = 5\n  x: 1', 'a colon and a space instead of the =: n: 5'],
    ['  n:\u00a05\n  x: 1', 'U+00A0 (a no-break space)'],
    ['  \u3000n: 5\n  x: 1', 'U+3000 (an ideographic space)'],
    ['\tn: 5', 'indent with spaces'],
    ['  text: "C:\\data"', 'single quotes'],
    ['<<<<<<< HEAD\n  n: 5\n=======\n  n: 6\n>>>>>>> other', 'merge conflict'],
    ['---\nmodel: {}', 'leave one of them'],
    ['  n: 5\n  n: 6', "the key 'n' stands twice"],
  ];
  for (const [lines, said] of cases) {
    test(JSON.stringify(lines), async () => {
      const told = await message(text(`${lines}\n`));
      assert.ok(told.includes(said), `${said}\nis not in\n${told}`);
      assert.match(told, /run\.yaml:\d+:\d+/);
    });
  }
});

describe('a configuration file', () => {
  const yaml = text('  text: Zürich\n');

  test('is read in UTF-8 and UTF-16, byte order mark or not', async () => {
    const little = Buffer.from(yaml, 'utf16le');
    const encoded = [
      Buffer.from(yaml),
      Buffer.from(`\ufeff${yaml}`),
      little,
      Buffer.concat([Buffer.from([0xff, 0xfe]), little]),
      Buffer.concat([Buffer.from([0xfe, 0xff]), Buffer.from(little).swap16()]),
      Buffer.from(yaml.replaceAll('\n', '\r\n')),
    ];
    for (const bytes of encoded) assert.equal((await load(bytes)).run.text, 'Zürich');
  });

  test('in Latin-1 is refused, with line, byte and conversion', async () => {
    const told = await message(Buffer.from(yaml, 'latin1'));
    assert.match(told, /run\.yaml:5 \(byte \d+/);
    assert.match(told, /byte 0xFC/);
    assert.match(told, /iconv -f WINDOWS-1252 -t UTF-8/);
  });

  test('that holds no mapping is told what it holds', async () => {
    assert.match(await message(''), /is not a configuration[\s\S]*an empty file/);
    assert.match(await message('# later\n'), /an empty file, or comments only/);
    assert.match(await message('- a\n'), /a list: its lines begin with -/);
    assert.match(await message('hello'), /the text 'hello'/);
  });

  test('that the system does not give is told without its code', async () => {
    const at = (path: string) =>
      Config.fromFile(path, [], { registry }).then(
        () => 'no error',
        (thrown) => (thrown instanceof ConfigError ? thrown.message : `${thrown}`),
      );
    writeFileSync(join(folder, 'file'), '');
    assert.match(await at(join(folder, 'file', 'run.yaml')), /there is no configuration file/);
    assert.match(await at(folder), /is a folder/);
    const long = await at(join(folder, 'a'.repeat(300)));
    assert.match(long, /the name is longer/);
    assert.doesNotMatch(long, /ENAMETOOLONG/);
  });

  test('may share blocks under x-…', async () => {
    const shared = 'x-common: &common {n: 3, x: 0.5}\nx-other: &other {text: a, n: 4}\n';
    const { run } = await load(
      `${shared}${text('  <<: [*common, *other]\n  x: 1\n  flag: $' + '{x-flag}\n')}x-flag: true\n`,
    );
    assert.deepEqual([run.n, run.x, run.text, run.flag], [3, 1, 'a', true]);
    const plain = await Config.fromFile(join(folder, 'run.yaml'), [], { registry });
    assert.equal(plain.run.flag, true);
    assert.match(await message(`common: &common {n: 3}\n${text('  <<: *common\n')}`), /begins with x-/);
  });

  test('reads exponents without a dot as numbers', () => {
    const read = (value: string) => toPlain(parseYaml(value, { kind: 'file', file: 'f' }));
    assert.deepEqual(['1e-5', '2E3', '+1e4', '.5', '1.e2'].map(read), [1e-5, 2000, 10000, 0.5, 100]);
  });
});
