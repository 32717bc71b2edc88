import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { z } from 'zod';
import { ConfigError } from '#src/common/errors.js';
import {
  Config,
  describeOrigin,
  key,
  type Overrides,
  type PlainObject,
  parseYaml,
  toPlain,
  types,
} from '#src/config/index.js';
import { fixture, fixtureJson, temporaryFolder } from '../support.js';
import { referenceRegistry } from './config_fixture.js';

const registry = referenceRegistry();
const folder = temporaryFolder();

function configFile(text: string, name = 'run.yaml'): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** As the fixtures write values that JSON cannot hold. */
const jsonable = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, v) => (typeof v === 'number' && !Number.isFinite(v) ? String(v) : v)));

describe('a scalar is read as the reference reads it', () => {
  interface Row {
    text: string;
    yaml_file: { value?: unknown; error?: string };
    option: { value?: unknown; error?: string };
  }
  for (const row of fixtureJson<{ rows: Row[] }>('config', 'scalars.json').rows) {
    test(JSON.stringify(row.text), async () => {
      const inFile = () => toPlain(parseYaml(`key: ${row.text}\n`, { kind: 'file', file: 'f.yaml' }));
      if (row.yaml_file.error) assert.throws(inFile, ConfigError);
      else assert.deepEqual(jsonable(inFile()), { key: row.yaml_file.value });

      const path = fixture('config', 'yaml', 'caption_coco_ft.yaml');
      const asOption = () => Config.fromFile(path, [`run.key=${row.text}`], { registry });
      if (row.option.error) await assert.rejects(asOption, ConfigError);
      else assert.deepEqual(jsonable(((await asOption()).toJSON().run as PlainObject).key), row.option.value);
    });
  }
});

describe('a configuration merges to what the reference merges', () => {
  interface Case {
    yaml: string;
    options: string[] | null;
    result: { model: object; run: object; datasets: object; preprocess?: object };
  }
  for (const { yaml, options, result } of fixtureJson<{ cases: Case[] }>('config', 'merged.json').cases) {
    test(`${yaml} ${JSON.stringify(options)}`, async () => {
      const config = await Config.fromFile(fixture('config', yaml), options ?? [], { registry });
      // the reference changes the name and keeps the base model's values: ours takes the large ones
      if (options?.includes('model.model_type=large_coco')) {
        const { pretrained, vit_type } = config.model;
        assert.equal(vit_type, 'large');
        assert.match(String(pretrained), /model_large\.pth$/);
        const { model: _, ...rest } = jsonable(config.toJSON()) as Case['result'];
        const { model: __, ...expected } = result;
        assert.deepEqual(rest, expected);
      } else {
        assert.deepEqual(jsonable(config.toJSON()), result);
      }
    });
  }
});

describe('a configuration that the reference refuses is refused', () => {
  interface Case {
    name: string;
    yaml: string;
    options: string[] | null;
    error: string | null;
    run?: object;
  }
  for (const item of fixtureJson<{ cases: Case[] }>('config', 'errors.json').cases) {
    const mended = item.name === 'option model_type only';
    test(mended ? `${item.name} (mended: the option is enough)` : item.name, async () => {
      const path = configFile(item.yaml, `${item.name.replaceAll(/\W/g, '_')}.yaml`);
      const load = () => Config.fromFile(path, item.options ?? [], { registry });
      if (mended) assert.equal((await load()).model.vit_type, 'base');
      else if (item.error) await assert.rejects(load, ConfigError);
      else assert.deepEqual((await load()).toJSON().run, item.run);
    });
  }
});

const minimal = (run: string, model = '') => `
model:
  arch: blip_caption
  model_type: base_coco
${model}
datasets:
  coco_caption: {}
run:
${run}
`;

describe('interpolations', () => {
  const load = async (run: string, options: string[] = []) =>
    (await Config.fromFile(configFile(minimal(run)), options, { registry })).run;

  test('a whole-value interpolation keeps the type, a part becomes text', async () => {
    const run = await load(`
  n: 3
  flag: yes
  same: \${run.n}
  text: "n=\${run.n} \${run.flag} \${run.nothing}"
  nothing: null
  section: \${model}
  sibling: \${.n}
  list: [1, "\${.0}", "\${run.list.0}"]
  first: \${run.list[0]}
  inner: {up: "\${..n}"}
  which: n
  nested: \${run.\${run.which}}
  literal: \\\${run.n}`);
    assert.equal(run.same, 3);
    assert.equal(run.text, 'n=3 True None');
    assert.equal((run.section as { arch: string }).arch, 'blip_caption');
    assert.equal(run.sibling, 3);
    assert.deepEqual(run.list, [1, 1, 1]);
    assert.equal(run.first, 1);
    assert.deepEqual(run.inner, { up: 3 });
    assert.equal(run.nested, 3);
    assert.equal(run.literal, `\${run.n}`);
  });

  test('an environment variable is text, its default too, and null stays null', async () => {
    process.env.LAVIS_TEST_VARIABLE = '12';
    const run = await load(`
  set: \${oc.env:LAVIS_TEST_VARIABLE}
  unset: \${oc.env:LAVIS_TEST_UNSET,7}
  decoded: \${oc.decode:\${oc.env:LAVIS_TEST_UNSET,7}}
  none: \${oc.env:LAVIS_TEST_UNSET,null}
  url: \${oc.env:LAVIS_TEST_UNSET,"http://host:80/x"}`);
    delete process.env.LAVIS_TEST_VARIABLE;
    assert.deepEqual(run, { set: '12', unset: '7', decoded: 7, none: null, url: 'http://host:80/x' });
  });

  test('one that refers to nothing, in a circle, or at an unset variable is refused with its place', async () => {
    await assert.rejects(load(`  output_dir: x\n  a: \${run.output_dri}`), {
      name: 'ConfigError',
      message: /refers to nothing[\s\S]*run\.yaml:10:6[\s\S]*did you mean 'output_dir'/,
    });
    await assert.rejects(load(`  a: \${run.b}\n  b: \${run.a}`), /circular[\s\S]*run\.a → run\.b → run\.a/);
    await assert.rejects(load(`  a: \${oc.env:LAVIS_TEST_UNSET}`), /'LAVIS_TEST_UNSET' is not set/);
  });
});

describe('origins', () => {
  test('a default, the file and an option are told apart', async () => {
    const path = configFile(minimal('  max_epoch: 5\n  seed: 1', '  prompt: a photo of'));
    const config = await Config.fromFile(path, ['run.seed=7', 'run.lr_sched=constant_lr'], { registry });
    const origin = (key: string) => describeOrigin(config.originOf(key)!);
    assert.match(origin('model.vit_type'), /blip_caption_base_coco\.yaml:14:13 \(default\)$/);
    assert.match(origin('model.prompt'), /run\.yaml:5:11$/);
    assert.match(origin('run.max_epoch'), /run\.yaml:9:14$/);
    assert.equal(origin('run.seed'), '--options run.seed=7');
    assert.equal(config.originOf('run.nothing'), undefined);
  });
});

describe('bad files', () => {
  const load = (path: string, options: string[] = []) => Config.fromFile(path, options, { registry });

  test('a missing file names the nearest there are', async () => {
    await assert.rejects(load(fixture('config', 'yaml', 'caption_coco_tf.yaml')), {
      name: 'ConfigError',
      message: /no configuration file [\s\S]*nearest there are: .*caption_coco_ft\.yaml/,
    });
  });

  test('broken YAML is shown with line, column and source', async () => {
    const path = configFile(
      'model:\n  arch: blip_caption\n  model_type: "base\nrun:\n  x: 1\n',
      'broken.yaml',
    );
    await assert.rejects(load(path), {
      name: 'ConfigError',
      message: /not valid YAML[\s\S]*broken\.yaml:4:1\n +3 \| {3}model_type: "base\n +4 \| run:\n +\| \^/,
    });
    await assert.rejects(
      load(configFile('run:\n\tseed: 1\n', 'tab.yaml')),
      /tab\.yaml:2:1\n.*\n +2 \| →seed: 1\n/,
    );
    await assert.rejects(
      load(configFile('run:\n  seed: 1\n  seed: 2\n', 'twice.yaml')),
      /'seed' stands twice[\s\S]*twice\.yaml:3:3/,
    );
  });

  test('an empty file, a list and a folder are refused', async () => {
    await assert.rejects(load(configFile('# nothing\n', 'empty.yaml')), /an empty file/);
    await assert.rejects(load(configFile('- 1\n', 'list.yaml')), /found: +a list/);
    await assert.rejects(load(fixture('config', 'yaml')), /is a folder[\s\S]*caption_coco_ft\.yaml/);
  });

  test('unknown names come with their place and the nearest ones', async () => {
    const wrong = (from: string, to: string) => load(configFile(minimal('  seed: 1').replace(from, to)));
    await assert.rejects(
      wrong('blip_caption', 'blip_captoin'),
      /run\.yaml:3:9[\s\S]*did you mean 'blip_caption'/,
    );
    await assert.rejects(wrong('base_coco', 'base_coc'), /run\.yaml:4:15[\s\S]*did you mean 'base_coco'/);
    await assert.rejects(
      wrong('coco_caption: {}', 'coco_captions: {}'),
      /run\.yaml:7:3[\s\S]*'coco_caption'/,
    );
    await assert.rejects(
      wrong('coco_caption: {}', 'coco_caption: {type: dflt}'),
      /no type of the dataset coco_caption is named 'dflt'[\s\S]*run\.yaml:7:24/,
    );
    await assert.rejects(
      load(configFile(minimal('  seed: 1')), ['model.model_type=large']),
      /--options model\.model_type=large[\s\S]*did you mean 'large_coco'/,
    );
  });
});

test('a plug-in named in the YAML is loaded before the defaults are looked up', async () => {
  writeFileSync(
    join(folder, 'plugin.mjs'),
    'globalThis.lavisTestPlugin = (globalThis.lavisTestPlugin ?? 0) + 1;\n',
  );
  const path = configFile(`plugins: [plugin.mjs]\n${minimal('  seed: 1')}`);
  const config = await Config.fromFile(path, [], { registry });
  assert.equal((globalThis as { lavisTestPlugin?: number }).lavisTestPlugin, 1);
  assert.ok(config.plugins.includes(join(folder, 'plugin.mjs')));

  writeFileSync(join(folder, 'bad.mjs'), '\nthrow new Error("no such thing");\n');
  await assert.rejects(
    Config.fromFile(configFile(`plugins: bad.mjs\n${minimal('  seed: 1')}`), [], { registry }),
    /bad\.mjs failed while loading: no such thing[\s\S]*bad\.mjs:2:7/,
  );
});

describe('values that a program adds', () => {
  const odd = [
    'a: b',
    'a #b',
    `\${run.seed}`,
    `\\\${x}`,
    `\\\\\${x}`,
    `$\${x}`,
    '[a',
    '&a',
    '*a',
    '!a',
    ' a ',
    '',
    '010',
    'null',
    'yes',
  ];
  const load = (overrides: Overrides[] = []) =>
    Config.fromFile(configFile(minimal('  seed: 7\n')), ['run.max_epoch', '2'], { registry, overrides });

  test('are taken as they are, whatever YAML would make of them', async () => {
    for (const text of odd) {
      const config = (await load()).with({ run: { output_dir: text, nested: [text, { text }] } }, '--here');
      assert.equal(config.run.output_dir, text);
      assert.deepEqual(config.run.nested, [text, { text }]);
      const [values, origin] = [{ run: { output_dir: text } }, '--here'];
      assert.equal((await load([{ values, origin }])).run.output_dir, text);
    }
  });

  test('lie over file and options, which stay as they were', async () => {
    const before = await load();
    const after = before.with({ run: { max_epoch: 5, seed: null, min_lr: undefined }, model: {} }, '--here');
    assert.deepEqual([before.run.max_epoch, before.run.seed], [2, 7]);
    assert.deepEqual([after.run.max_epoch, after.run.seed, 'min_lr' in after.run], [5, null, false]);
    assert.equal(after.run.task, before.run.task);
  });

  test('name what asked for them', async () => {
    const config = (await load()).with({ run: { seed: 8 } }, '--resume');
    assert.equal(describeOrigin(config.originOf('run.seed')!), '--resume');
    assert.match(describeOrigin(config.originOf('run')!), /yaml:\d+:\d+$/);
    const schema = z.object({ seed: key(types.text, undefined, 'x') });
    assert.throws(() => config.read('run', schema), /where: {3}--resume\n/);
  });

  test('choose the model whose defaults are read', async () => {
    const values = { model: { model_type: 'large_coco' } };
    assert.equal((await load([{ values, origin: 'here' }])).model.vit_type, 'large');
  });
});
