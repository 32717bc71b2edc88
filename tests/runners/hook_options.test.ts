import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { ConfigError } from '#src/common/errors.js';
import { Config, key, registry, section, types } from '#src/index.js';
import type { MetricsLine, Run, RunHook } from '#src/runners/index.js';
import { temporaryFolder } from '../support.js';
import { type TinyRun, tinyRun } from './tiny_run.js';

const folder = temporaryFolder();
const made: Noting[] = [];

/** Notes what it is made with and told. */
class Noting implements RunHook {
  static readonly optionsSchema = section({
    size: key(types.natural, 3, 'A number.'),
    label: key(types.text, undefined, 'A text.'),
  });
  readonly lines: MetricsLine[] = [];
  readonly failures: unknown[] = [];
  constructor(readonly options: { size: number; label?: string }) {
    made.push(this);
  }
  afterMetrics(_run: Run, line: MetricsLine): void {
    this.lines.push(line);
  }
  afterFailure(_run: Run, error: unknown): void {
    this.failures.push(error);
    throw new Error('another one');
  }
}
registry.registerHook('noting')(Noting);

class Plain implements RunHook {}
registry.registerHook('plain')(Plain);

describe('hooks with options', () => {
  let tiny: TinyRun;
  before(async () => {
    tiny = await tinyRun(folder, { max_epoch: 1, test_splits: [] });
  });

  it('are made with those beside their names, defaults filled in, in their order', async () => {
    made.length = 0;
    await tiny.runner('made', [
      'run.hooks=[noting, plain, {noting: {size: 5, label: five}}, {noting: null}]',
    ]);
    assert.deepEqual(
      made.map(({ options }) => ({ ...options })),
      [{ size: 3 }, { size: 5, label: 'five' }, { size: 3 }],
    );
  });

  it('are told of each line of metrics.jsonl, and of what ends the run, which stays what it is', async () => {
    made.length = 0;
    const error = new Error('the first one');
    const fail: RunHook = {
      afterRound: () => {
        throw error;
      },
    };
    const runner = await tiny.runner('told', ['run.hooks=[noting]'], [fail]);
    await assert.rejects(runner.train(), error);
    const [{ lines, failures }] = made;
    assert.deepEqual(failures, [error]);
    assert.deepEqual(
      lines.map(({ kind }) => kind),
      ['step', 'step', 'epoch', 'evaluation'],
    );
  });

  it('that they do not have, or of a wrong kind, are refused with the place', async () => {
    const refused = async (hooks: string, ...said: RegExp[]) => {
      const config = await Config.fromFile(tiny.yaml, [`run.hooks=${hooks}`]);
      assert.throws(
        () => config.checked(),
        (error) => {
          assert.ok(error instanceof ConfigError);
          for (const each of said) assert.match(error.message, each);
          return true;
        },
      );
    };
    await refused('[{noting: {sise: 5}}]', /run\.hooks\.0\.noting\.sise is not known/, /'size'/);
    await refused('[plain, {noting: {size: 0}}]', /run\.hooks\.1\.noting\.size/, /at least 1/);
    await refused('[{plain: {size: 1}}]', /run\.hooks\.0\.plain\.size is not known/);
    await refused('[{noting: 5}]', /run\.hooks\.0\.noting has a value/, /a mapping/);
    await refused('[{noting: {}, plain: {}}]', /run\.hooks\.0 has a value/);
    await refused('[{notin: {}}]', /no hook is named 'notin'[\s\S]*'noting'/);
  });
});
