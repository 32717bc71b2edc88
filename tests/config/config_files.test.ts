import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { KINDS, registry as ourClasses, Registry } from '#src/common/registry.js';
import { Config, type HasSchema, type JsonSchema, parseYaml, toPlain } from '#src/config/index.js';
import '#src/index.js';
import { fixture, fixtureJson } from '../support.js';
import { referenceRegistry } from './config_fixture.js';

/** Ours, under the names that the reference uses. */
function ownRegistry(): Registry {
  const registry = new Registry();
  const register = (decorate: unknown, files: Record<string, string>) =>
    (decorate as (value: unknown) => void)(Object.assign(class {}, { defaultConfigs: files }));
  register(registry.registerModel('blip_caption'), {
    base_coco: 'configs/models/blip_caption_base_coco.yaml',
    large_coco: 'configs/models/blip_caption_large_coco.yaml',
  });
  register(registry.registerBuilder('coco_caption'), { default: 'configs/datasets/coco/defaults_cap.yaml' });
  return registry;
}

const yamlFiles = ['configs', 'projects'].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => join(folder, name)),
);

describe('the files that come with the package', () => {
  interface Case {
    yaml: string;
    options: string[] | null;
    result: object;
  }
  const { cases } = fixtureJson<{ cases: Case[] }>('config', 'merged.json');
  for (const name of ['caption_coco_ft.yaml', 'caption_coco_large_ft.yaml']) {
    test(`projects/blip/train/${name} merges to what the reference's file merges to`, async () => {
      const expected = cases.find((item) => item.yaml === `yaml/${name}` && item.options === null);
      const config = await Config.fromFile(`projects/blip/train/${name}`, [], { registry: ownRegistry() });
      assert.deepEqual(config.toJSON(), expected?.result);
      const theirs = await Config.fromFile(fixture('config', 'yaml', name), [], {
        registry: referenceRegistry(),
      });
      assert.deepEqual(config.toJSON(), theirs.toJSON());
    });
  }

  for (const name of ['med_config.json', 'med_large_config.json']) {
    test(`configs/models/${name} holds the reference's values`, () => {
      const read = (path: string) => JSON.parse(readFileSync(path, 'utf8'));
      assert.deepEqual(read(`configs/models/${name}`), read(fixture('config', 'configs', 'models', name)));
    });
  }

  for (const path of yamlFiles) {
    test(`${path} is YAML with a header that says what it is`, () => {
      const text = readFileSync(path, 'utf8');
      assert.match(text, /^# /);
      const schema = /^# yaml-language-server: \$schema=(.*)$/m.exec(text)?.[1];
      assert.equal(join(dirname(path), schema ?? ''), join('configs', 'schema.json'));
      assert.ok(toPlain(parseYaml(text, { kind: 'file', file: path })));
      if (!path.startsWith('projects')) return;
      const command = /^# {3}(lavis (?:train|eval) --cfg-path (\S+).*)$/m.exec(text);
      assert.equal(command?.[2], path, 'the header names the command that runs the file');
    });
  }

  const scripts = readdirSync('run_scripts', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.sh'))
    .map((name) => join('run_scripts', name));
  for (const path of scripts) {
    test(`${path} is one lavis command on a file that exists`, () => {
      accessSync(path, constants.X_OK);
      const commands = readFileSync(path, 'utf8').match(/^exec node bin\/lavis\.js .*$/gm) ?? [];
      assert.equal(commands.length, 1);
      accessSync(/--cfg-path (\S+)/.exec(commands[0])![1]);
    });
  }

  for (const path of yamlFiles.filter((name) => name.startsWith('projects'))) {
    test(`${path} has no fault`, async () => {
      const config = await Config.fromFile(path, [], { check: true });
      assert.equal(typeof config.run.task, 'string');
    });
  }
});

test('every class of ours says which keys its section has, each with its meaning', () => {
  for (const kind of KINDS.filter((each) => each !== 'hook' /* those of plug-ins */)) {
    const names = ourClasses.list(kind);
    assert.ok(names.length > 0, kind);
    for (const name of names) {
      const schema = (ourClasses.get(kind, name) as HasSchema).configSchema;
      assert.ok(schema, `${kind} ${name}`);
      for (const [key, type] of Object.entries(schema.shape)) {
        assert.ok((type as { description?: string }).description, `${kind} ${name}: ${key}`);
      }
    }
  }
});

test('the schema for editors and the page of keys are what the classes say', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/docs/generate.mjs', '--check'], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
});

describe('configs/schema.json', () => {
  const text = readFileSync('configs/schema.json', 'utf8');
  const schema = JSON.parse(text) as JsonSchema & { $defs: Record<string, JsonSchema> };

  test('stays small: what stands in it twice is a definition, and each reference leads to one', () => {
    assert.ok(text.length < 150_000, `${text.length} bytes`);
    const references = [...text.matchAll(/"\$ref": "#\/\$defs\/([^"]+)"/g)].map(([, name]) => name);
    assert.deepEqual([...new Set(references)].sort(), Object.keys(schema.$defs).sort());
  });

  test('refuses a key of another runner or schedule, as the command line does', () => {
    interface Narrowed {
      if: { properties: Record<string, { const: string }>; required?: string[] };
      then: { $ref?: string; properties?: Record<string, false> };
    }
    const { run } = schema.properties as { run: JsonSchema };
    const all = run.allOf as unknown as Narrowed[];
    // what several tasks refuse alike is a definition
    const refused = ({ then: { $ref, properties } }: Narrowed): object =>
      properties ?? schema.$defs[$ref!.slice('#/$defs/'.length)].properties!;
    const of = (chooser: string, name: string) =>
      all.find((one) => one.if.properties[chooser]?.const === name)!;
    assert.ok('max_iters' in refused(of('runner', 'runner_base')));
    assert.equal(of('runner', 'runner_base').if.required, undefined, 'it is the default');
    assert.ok(!('max_iters' in refused(of('runner', 'runner_iter'))));
    assert.deepEqual(of('runner', 'runner_iter').if.required, ['runner']);
    assert.ok('lr_decay_rate' in refused(of('lr_sched', 'linear_warmup_cosine_lr')));
    for (const key of all.flatMap((one) => Object.keys(refused(one)))) assert.ok(run.properties![key], key);
  });
});
