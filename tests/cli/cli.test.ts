import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { temporaryFolder } from '../support.js';

const folder = temporaryFolder();

function lavis(...argv: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['bin/lavis.js', ...argv], {
    encoding: 'utf8',
    env: { ...process.env, LAVIS_DEBUG: '' },
  });
  return { status, stdout, stderr };
}

describe('the frame', () => {
  test('--version and --help answer; every command says what it does, and its examples know its options', () => {
    assert.match(lavis('--version').stdout, /^\d+\.\d+\.\d+\n$/);
    const { status, stdout } = lavis('--help');
    assert.equal(status, 0);
    const names = [...stdout.matchAll(/^ {2}lavis ([a-z]+)(?: [[<].*[\]>])? {2,}(\w.{8,})/gm)].map(
      ([, name]) => name,
    );
    assert.ok(names.length >= 14, stdout);
    for (const name of names.filter((other) => other !== 'completion')) {
      const help = lavis(name, '--help');
      assert.equal(help.status, 0, name);
      assert.match(help.stdout, new RegExp(`^lavis ${name}\\b.*\n\n[A-Z].{20,}`), name);
      const options = [...help.stdout.matchAll(/^ {2}(?:-\w, | {4})--([\w-]+) +(\S.{3,})/gm)].map(
        ([, option]) => option,
      );
      assert.ok(options.length >= 2, help.stdout);
      const listed = help.stdout.split('\n').filter((line) => /^ +(-\w, )?--\w/.test(line));
      assert.equal(options.length, listed.length, `an option of ${name} has no description`);
      const examples = [...help.stdout.matchAll(/^ {2}(lavis .*)\n {6}\S/gm)].map(([, line]) => line);
      assert.ok(examples.length > 0 && examples[0].startsWith(`lavis ${name}`), name);
      for (const [, option] of examples.join(' ').matchAll(/--([\w-]+)/g)) {
        assert.ok(options.includes(option), `an example of ${name} has --${option}`);
      }
    }
  });

  test('a command line that cannot be understood exits with 2 and says what was meant', () => {
    const cases: [string[], RegExp][] = [
      [['zo'], /no command is named 'zo' \(did you mean 'zoo'\?\)/],
      [['zoo', '--jso'], /no option is named '--jso' \(did you mean '--json'\?\)/],
      [['config'], /--cfg-path FILE is needed/],
      [['train'], /--cfg-path is needed/],
      [['config', '--cfg-path'], /--cfg-path needs a value/],
      [
        ['train', '--cfg-path', 'a.yaml', '--device', 'cpu', '--device', 'auto'],
        /--device is given 2 times: cpu, auto; it takes one value/,
      ],
      [
        ['config', '--cfg-path', 'a.yaml', '--cfg-path', 'b.yaml'],
        /--cfg-path is given 2 times: a\.yaml, b\.yaml/,
      ],
      [
        ['caption', 'a.jpg', '--num-beams', '3', '--num-beams', '4', '--model', 'blip_caption'],
        /--num-beams is given 2 times: 3, 4/,
      ],
      [['convert', 'a.pth', 'b.pth', '--dtype', 'float16', '--dtype', 'float32'], /--dtype is given 2 times/],
      [['--nosuch'], /no option is named '--nosuch' before a command/],
      [['convert', 'a.pth'], /an argument is missing: lavis convert <in> <out>/],
      [['zoo', 'x', '-q'], /no option is named '-q'; more arguments than the command takes: x/],
      [['convert', 'a.pth', 'b.pth', '--to', 'no'], /--to is "no"; there are: "hf", "lavis"/],
      [['setup', 'rocm'], /part is "rocm"; there are: "cuda"/],
    ];
    for (const [argv, message] of cases) {
      const { status, stderr } = lavis(...argv);
      assert.equal(status, 2, argv.join(' '));
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\n\s+at /);
    }
  });

  test('a failure exits with 1 and prints its message alone', () => {
    const { status, stderr } = lavis('config', '--cfg-path', 'nowhere.yaml');
    assert.equal(status, 1);
    assert.match(stderr, /^ConfigError: there is no configuration file nowhere\.yaml\n {2}where:/);
    assert.doesNotMatch(stderr, /\n\s+at /);
  });
});

describe('a plug-in', () => {
  const plugin = join(folder, 'mine.mjs');
  writeFileSync(
    plugin,
    `import { registry } from 'lavis';
     registry.registerModel('my_model')(class { static defaultConfigs = { tiny: '${join(folder, 'tiny.yaml')}' } });
     registry.registerBuilder('my_data')(class {});
     registry.registerTask('my_task')(class {});\n`,
  );
  writeFileSync(join(folder, 'tiny.yaml'), 'model:\n  width: 8\n');
  const yaml = join(folder, 'run.yaml');
  writeFileSync(
    yaml,
    `model: {arch: my_model, model_type: tiny}\ndatasets: {my_data: {}}\nrun:\n  task: my_task\n  output_dir: out\n  here: "\${.output_dir}/x"\n`,
  );

  test('is in the zoo, though it lies outside the package', () => {
    const { status, stdout } = lavis('zoo', '--plugin', plugin);
    assert.equal(status, 0);
    assert.match(stdout, /^my_model +tiny$/m);
    const listed = JSON.parse(lavis('zoo', '--json', '--plugin', plugin).stdout);
    assert.deepEqual(listed.model.my_model, ['tiny']);
    assert.ok(listed.builder.my_data);
  });

  test('brings its defaults to lavis config, which can tell each origin', () => {
    const print = (...more: string[]) => lavis('config', '--cfg-path', yaml, '--plugin', plugin, ...more);
    assert.deepEqual(JSON.parse(print('--json', '--options', 'run.seed=3').stdout), {
      model: { arch: 'my_model', model_type: 'tiny', width: 8 },
      datasets: { my_data: {} },
      // biome-ignore lint/suspicious/noTemplateCurlyInString: printed as written
      run: { task: 'my_task', output_dir: 'out', here: '${.output_dir}/x', seed: 3 },
    });
    // a class that does not say its keys takes any
    assert.match(print('--resolved').stdout, /here: out\/x/);
    const told = print('--origin', '--options', 'run.seed', '-3').stdout;
    assert.match(told, /^ {2}width: 8 +# .*tiny\.yaml:2:10 \(default\)$/m);
    assert.match(told, /^ {2}output_dir: out +# .*run\.yaml:5:15$/m);
    assert.match(told, /^ {2}seed: -3 +# --options run\.seed -3$/m);
  });

  test("is written as the page of keys says, and its class's keys are checked", () => {
    const page = readFileSync('docs/configuration.md', 'utf8');
    const shout = join(folder, 'shout.mjs');
    writeFileSync(shout, /```js\n([\s\S]*?)```/.exec(page)![1]);
    const check = (processor: string) =>
      lavis(
        'config',
        '--cfg-path',
        'projects/blip/train/caption_shapes.yaml',
        '--plugin',
        shout,
        '--options',
        `datasets.shapes_caption.text_processor.train=${processor}`,
      );
    const wrong = check('{name: shout, markes: 2}');
    assert.equal(wrong.status, 1);
    assert.match(wrong.stderr, /text_processor\.train\.markes is not known/);
    assert.match(wrong.stderr, /did you mean 'marks'/);
    // the default's prompt is not this class's, which is nobody's fault
    assert.equal(check('{name: shout, marks: 2}').status, 0);
  });
});
