import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, before, beforeEach, describe, it } from 'node:test';
import { ConfigError, RunInterrupted } from '#src/common/errors.js';
import { Config } from '#src/index.js';
import { type RunHook, readMetrics } from '#src/runners/index.js';
import { MlflowClient } from '#src/runners/loggers/mlflow_client.js';
import { MlflowRun } from '#src/runners/loggers/mlflow_run.js';
import { scalarsOf } from '#src/runners/metrics_log.js';
import { dryRun } from '#src/runs/dry_run.js';
import { temporaryFolder } from '../support.js';
import { Recorder, recorded } from './mlflow_recorder.js';
import { FACTS, LINES, tellSession } from './mlflow_session.js';
import { type TinyRun, tinyRun } from './tiny_run.js';

const folder = temporaryFolder();

/** The clock of the moment is left out. */
const withoutClock = (body: object | null) =>
  body && Object.fromEntries(Object.entries(body).filter(([key]) => !/^(start|end)_time$/.test(key)));

describe('what MLflow is told', () => {
  let server: Recorder;
  let uri: string;
  beforeEach(async () => {
    server = new Recorder();
    uri = await server.listen();
  });
  afterEach(() => server.close());
  const file = (name: string) => {
    mkdirSync(join(folder, name), { recursive: true });
    return join(folder, name, 'mlflow.json');
  };

  it('is, message by message, what the real server took', async () => {
    mkdirSync(join(folder, 'session'));
    await tellSession(uri, join(folder, 'session'));
    assert.deepEqual(
      server.told.map(({ call, body }) => [call, withoutClock(body)]),
      recorded.exchanges.map(({ call, body }) => [call, withoutClock(body)]),
    );
    assert.ok(recorded.exchanges.length > 10 && recorded.mlflow.includes('version 3'));
  });

  it('waits where the server fails, and comes once it answers; in between nothing is lost', async () => {
    server.answers = ({ call }) => (call === 'POST runs/create' ? [503, 'busy'] : undefined);
    const client = new MlflowClient(uri, {});
    const down = await MlflowRun.open(client, file('late'), FACTS);
    for (const line of LINES) down.add(line);
    await down.close('FINISHED');
    assert.equal(down.left, LINES.length);
    assert.deepEqual([server.metrics, server.statuses], [[], []]);
    server.answers = () => undefined;
    const up = await MlflowRun.open(client, file('late'), FACTS);
    for (const line of LINES) up.add(line);
    await up.close('FINISHED');
    assert.equal(up.left, 0);
    assert.equal(server.metrics.length, LINES.flatMap(scalarsOf).length);
  });

  it('comes later in the same run, where the server was down for a while', async () => {
    let asked = () => {};
    const refused = new Promise<void>((done) => (asked = done));
    server.answers = () => {
      asked();
      return [502, 'a gateway says so'];
    };
    const run = await MlflowRun.open(new MlflowClient(uri, {}), file('while'), FACTS);
    run.add(LINES[0]);
    await refused;
    server.answers = () => undefined;
    run.add(LINES[1]);
    await run.close('FINISHED');
    assert.deepEqual([run.left, server.statuses.at(-1)], [0, 'FINISHED']);
    assert.equal(server.metrics.length, LINES.slice(0, 2).flatMap(scalarsOf).length);
  });

  it('goes in messages of at most 1000 numbers, and what is refused does not hold up the rest', async () => {
    const many = Array.from({ length: 700 }, (_, i) => ({ ...LINES[0], iteration: i + 1 }));
    let batches = 0;
    server.answers = ({ body }) =>
      body?.metrics && ++batches === 1
        ? [400, '{"error_code": "INVALID_PARAMETER_VALUE", "message": "no"}']
        : undefined;
    const run = await MlflowRun.open(new MlflowClient(uri, {}), file('many'), FACTS);
    for (const line of many) run.add(line);
    await run.close('FINISHED');
    const sizes = server.told.flatMap(({ body }) =>
      body?.metrics ? [(body.metrics as object[]).length] : [],
    );
    assert.deepEqual(sizes, [1000, 400]);
    assert.deepEqual([run.left, server.statuses.at(-1)], [0, 'FINISHED']);
  });

  it('bears the name and password or the token of the environment', async () => {
    const headerOf = async (env: Record<string, string>) => {
      await new MlflowClient(`${uri}/`, env).updateRun('run', 'RUNNING');
      return server.told.at(-1)!.headers.authorization;
    };
    const basic = { MLFLOW_TRACKING_USERNAME: 'ann', MLFLOW_TRACKING_PASSWORD: 'pass word' };
    assert.equal(await headerOf(basic), `Basic ${Buffer.from('ann:pass word').toString('base64')}`);
    assert.equal(await headerOf({ ...basic, MLFLOW_TRACKING_TOKEN: 'abc' }), await headerOf(basic));
    assert.equal(await headerOf({ MLFLOW_TRACKING_TOKEN: 'abc' }), 'Bearer abc');
    assert.equal(await headerOf({}), undefined);
  });

  it('goes to a server alone', () => {
    for (const wrong of ['', 'file:/tmp/mlruns', './mlruns', 'databricks', 'http://']) {
      assert.throws(
        () => new MlflowClient(wrong, {}),
        (error) => error instanceof ConfigError && /mlflow server/.test(error.message),
      );
    }
    assert.throws(
      () => new MlflowClient('ftp://ann:secret@host', {}),
      (error) => error instanceof ConfigError && !error.message.includes('secret'),
    );
    const env = { MLFLOW_TRACKING_SERVER_CERT_PATH: join(folder, 'none.pem') };
    assert.throws(() => new MlflowClient('https://host', env), ConfigError);
  });
});

describe('run.hooks: [mlflow]', () => {
  let tiny: TinyRun;
  const server = new Recorder();
  let hooks: string;
  before(async () => {
    tiny = await tinyRun(folder, { log_freq: 2 });
  });
  beforeEach(async () => {
    const uri = (await server.listen()).replace('//', '//ann:secret@');
    server.told.length = 0;
    hooks = `run.hooks=[{mlflow: {tracking_uri: '${uri}', experiment: e, run_name: r, tags: {team: blue}}}]`;
  });
  afterEach(() => server.close());

  it('tells every number at its step, the configuration, and that the run is FINISHED', async () => {
    const runner = await tiny.runner('whole', [hooks]);
    await runner.train();
    const lines = await readMetrics(runner.folder.path);
    assert.deepEqual(
      server.metrics.map(({ key, value, step }) => [key, value, step]),
      lines.flatMap(scalarsOf).map(({ tag, value, step }) => [tag, value, step]),
    );
    assert.deepEqual(server.statuses, ['RUNNING', 'FINISHED']);
    const created = server.told.find(({ call }) => call === 'POST runs/create')!;
    assert.equal(created.body!.run_name, 'r');
    const told = JSON.stringify(server.told.map(({ body }) => body));
    assert.match(told, /"key":"run.init_lr","value":"0.01"/);
    assert.match(told, /"key":"team","value":"blue"/);
    const known = readFileSync(join(runner.folder.path, 'mlflow.json'), 'utf8');
    assert.ok(!told.includes('secret') && !known.includes('secret'));
  });

  it('a run that is stopped is KILLED, and goes on as the same run, each number once', async () => {
    let steps = 0;
    const stop: RunHook = { afterStep: () => void (++steps === 7 && process.kill(process.pid, 'SIGINT')) };
    await assert.rejects((await tiny.runner('stopped', [hooks], [stop])).train(), RunInterrupted);
    assert.deepEqual(server.statuses, ['RUNNING', 'KILLED']);
    cpSync(join(folder, 'stopped'), join(folder, 'resumed'), { recursive: true });
    const checkpoint = `run.resume_ckpt_path=${join(folder, 'resumed', 'job', 'checkpoint_latest.pth')}`;
    const resumed = await tiny.runner('resumed', [hooks, checkpoint]);
    await resumed.train();
    assert.equal(server.told.filter(({ call }) => call === 'POST runs/create').length, 1);
    assert.deepEqual(server.statuses, ['RUNNING', 'KILLED', 'RUNNING', 'FINISHED']);
    const lines = await readMetrics(resumed.folder.path);
    assert.deepEqual(
      server.metrics.map(({ key, step }) => `${key}@${step}`),
      lines.flatMap(scalarsOf).map(({ tag, step }) => `${tag}@${step}`),
    );
  });

  it('a run that fails is FAILED, with its own error', async () => {
    const fail: RunHook = {
      afterSteps: () => {
        throw new Error('own');
      },
    };
    await assert.rejects((await tiny.runner('failed', [hooks], [fail])).train(), /own/);
    assert.deepEqual(server.statuses, ['RUNNING', 'FAILED']);
  });

  it('trains all the same where no server is, and an evaluation is told too', async () => {
    const { port } = server;
    await server.close();
    const runner = await tiny.runner('alone', [hooks]);
    await runner.train();
    const checkpoint = join(runner.folder.path, 'checkpoint_1.pth');
    await server.listen(port);
    assert.equal(server.told.length, 0);
    const evaluated = await tiny.runner('evaluated', [
      hooks,
      'run.evaluate=True',
      `run.resume_ckpt_path=${checkpoint}`,
    ]);
    await evaluated.evaluate();
    assert.deepEqual(new Set(server.metrics.map(({ key }) => key.split('/')[0])), new Set(['test']));
    assert.deepEqual(server.statuses, ['RUNNING', 'FINISHED']);
  });

  it('is not told of a dry run', async () => {
    await dryRun(await Config.fromFile(tiny.yaml, [...tiny.output('dry'), hooks]), 'cpu');
    assert.equal(server.told.length, 0);
  });

  it('without an address, or with options that it does not have, is refused', async () => {
    const made = async (options: string[]) => {
      (await Config.fromFile(tiny.yaml, options)).checked();
      await tiny.runner('refused', options);
    };
    const refused = (options: string[], ...said: RegExp[]) =>
      assert.rejects(made(options), (error) => {
        assert.ok(error instanceof ConfigError, String(error));
        for (const each of said) assert.match(error.message, each);
        return true;
      });
    await refused(['run.hooks=[mlflow]'], /does not know which server/, /MLFLOW_TRACKING_URI/);
    await refused(['run.hooks=[{mlflow: {tracking: x}}]'], /run\.hooks\.0\.mlflow\.tracking/, /tracking_uri/);
    await refused(['run.hooks=[{mlflow: {tags: [a]}}]'], /run\.hooks\.0\.mlflow\.tags/, /a mapping/);
    await refused(['run.hooks=[mlfow]'], /no hook is named 'mlfow'/, /mlflow/);
    await refused(['run.hooks=[{mlfow: {}}]'], /no hook is named 'mlfow'/);
    await refused(['run.hooks=[{csv: {}, mlflow: {}}]'], /run\.hooks/);
    await refused(['run.hooks=[3]'], /run\.hooks/);
  });
});
