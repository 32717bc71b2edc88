/**
 * The hook `mlflow` and a real tracking server: a run whole, stopped and resumed, failed, with the server down and up
 * again, and behind a password. What the server then holds is compared with metrics.jsonl, number by number.
 *
 *     npx tsc -b tests && node scripts/interop/index.mjs mlflow                # installs MLflow below --folder, once
 *     node scripts/interop/index.mjs mlflow --mlflow path/to/bin/mlflow        # takes one that is there
 *
 * `--record FILE` also writes what a session says and hears: tests/fixtures/mlflow/session.json.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { tellSession } from '../../../build/tests/runners/mlflow_session.js';
import { tinyRun } from '../../../build/tests/runners/tiny_run.js';
import { request } from '../../../dist/fetch/index.js';
import { readMetrics, scalarsOf } from '../../../dist/runners/metrics_log.js';

const { values: args } = parseArgs({
  options: {
    mlflow: { type: 'string' },
    folder: { type: 'string', default: 'build/interop' },
    python: { type: 'string', default: 'python3' },
    port: { type: 'string', default: '5099' },
    record: { type: 'string' },
  },
});
const work = mkdtempSync(join(tmpdir(), 'lavis-mlflow-'));
const uri = `http://127.0.0.1:${args.port}`;
const API = '/api/2.0/mlflow/';

function installed() {
  if (args.mlflow) return resolve(args.mlflow);
  const venv = resolve(args.folder, 'venv-mlflow');
  const mlflow = join(venv, 'bin', 'mlflow');
  if (!existsSync(mlflow)) {
    mkdirSync(resolve(args.folder), { recursive: true });
    execFileSync(args.python, ['-m', 'venv', venv], { stdio: 'inherit' });
    execFileSync(join(venv, 'bin', 'pip'), ['install', '-q', 'mlflow[auth]'], { stdio: 'inherit' });
  }
  return mlflow;
}

/** Starts the server over one database, and returns when it answers. */
async function serve(mlflow, name, { headers = {}, more = [], env = {} } = {}) {
  const store = `sqlite:///${join(work, `${name}.db`)}`;
  const child = spawn(
    mlflow,
    ['server', '--port', args.port, '--workers', '1', '--backend-store-uri', store, ...more],
    { cwd: work, env: { ...process.env, ...env }, stdio: 'ignore', detached: true },
  );
  for (let tries = 0; ; tries++) {
    const answer = await send(`${API}experiments/get-by-name?experiment_name=Default`, { headers }).catch(
      () => {},
    );
    if (answer?.status === 200) break;
    if (tries > 240 || child.exitCode !== null) throw new Error('the server does not come up');
    await wait(500);
  }
  return async () => {
    const ended = new Promise((done) => child.once('exit', done));
    process.kill(-child.pid, 'SIGTERM'); // its own group: the server starts workers
    await ended;
  };
}

/** Over a connection of its own: those that are kept do not outlive the runs that this process waits for. */
async function send(path, { body, headers } = {}) {
  const answer = await request(`${uri}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body,
    stallMs: 60_000,
  });
  return { status: answer.statusCode, said: await text(answer) };
}

async function ask(path, headers) {
  const { status, said } = await send(`${API}${path}`, { headers });
  assert.equal(status, 200, `${path}: ${said}`);
  return JSON.parse(said);
}

/** The server's run of a folder holds every number of its metrics.jsonl, once, at its step. */
async function compare(folder, status, headers) {
  const { run_id } = JSON.parse(readFileSync(join(folder, 'mlflow.json'), 'utf8'));
  const { run } = await ask(`runs/get?run_id=${run_id}`, headers);
  assert.equal(run.info.status, status);
  const expected = new Map();
  for (const line of await readMetrics(folder)) {
    for (const { tag, value, step } of scalarsOf(line))
      expected.set(tag, [...(expected.get(tag) ?? []), [step, value]]);
  }
  let numbers = 0;
  for (const [tag, values] of expected) {
    const { metrics } = await ask(
      `metrics/get-history?run_id=${run_id}&metric_key=${encodeURIComponent(tag)}`,
      headers,
    );
    const history = metrics.map(({ step, value }) => [step ?? 0, value]).sort(([a], [b]) => a - b);
    assert.deepEqual(history, values, tag);
    numbers += history.length;
  }
  assert.deepEqual(run.data.metrics.map(({ key }) => key).sort(), [...expected.keys()].sort());
  return { run, numbers, run_id };
}

function lavis(argv, env = {}) {
  const { MLFLOW_TRACKING_URI: _, ...inherited } = process.env;
  const { status, stderr } = spawnSync(
    process.execPath,
    ['bin/lavis.js', 'train', '--device', 'cpu', ...argv],
    {
      encoding: 'utf8',
      env: { ...inherited, MLFLOW_TRACKING_URI: uri, ...env },
    },
  );
  return { status, stderr };
}

/** Passes messages on to the server, and keeps them with their answers. */
async function record(file, version) {
  const exchanges = [];
  const proxy = createServer(async (asked, response) => {
    const body = await text(asked);
    const { status, said } = await send(asked.url, { body: body || undefined });
    const [path] = asked.url.split('?');
    exchanges.push({
      call: `${asked.method} ${path.slice(API.length)}`,
      body: body ? JSON.parse(body) : null,
      status,
      answer: JSON.parse(said),
    });
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(said);
  });
  await new Promise((done) => proxy.listen(0, '127.0.0.1', done));
  const folder = mkdtempSync(join(work, 'session-'));
  await tellSession(`http://127.0.0.1:${proxy.address().port}`, folder);
  proxy.close();
  mkdirSync(resolve(file, '..'), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ mlflow: version, exchanges }, null, 1)}\n`);
  console.log(`${exchanges.length} messages and their answers are in ${file}`);
}

const mlflow = installed();
const version = execFileSync(mlflow, ['--version'], { encoding: 'utf8' }).trim();
console.log(version);
let stop = () => {};
try {
  const tiny = await tinyRun(work, { hooks: ['mlflow'], max_epoch: 3, log_freq: 1, val_loss: true });
  const options = (name, ...more) => [
    '--cfg-path',
    tiny.yaml,
    '--job-id',
    'job',
    '--options',
    ...tiny.output(name),
    ...more,
  ];
  const folder = (name) => join(work, name, 'job');
  stop = await serve(mlflow, 'open');

  assert.equal(lavis(options('whole')).status, 0);
  const whole = await compare(folder('whole'), 'FINISHED');
  console.log(
    `a run: ${whole.run.data.params.length} parameters, ${whole.run.data.tags.length} tags, ${whole.numbers} numbers, FINISHED`,
  );

  const stops = join(work, 'stops.mjs');
  writeFileSync(
    stops,
    `import { registry } from 'lavis';
     let steps = 0;
     registry.registerHook('stops')(class { afterStep() { if (++steps === 7) process.kill(process.pid, 'SIGINT'); } });`,
  );
  const stopped = lavis(options('stopped', 'run.hooks=[mlflow,stops]', `plugins=[${stops}]`));
  assert.equal(stopped.status, 130, stopped.stderr);
  const before = await compare(folder('stopped'), 'KILLED');
  assert.equal(lavis(['--resume', ...options('stopped')]).status, 0);
  const after = await compare(folder('stopped'), 'FINISHED');
  assert.equal(after.run_id, before.run_id);
  console.log(
    `stopped after ${before.numbers} numbers: KILLED; resumed in the same run, ${after.numbers} numbers, each once`,
  );

  assert.notEqual(lavis(options('failed', 'run.init_lr=1e30', 'run.clip_grad_norm=null')).status, 0);
  const failed = await compare(folder('failed'), 'FAILED');
  console.log(`failed after ${failed.numbers} numbers: FAILED`);

  await stop();
  const down = lavis(options('down'));
  assert.equal(down.status, 0, down.stderr);
  assert.match(down.stderr, /did not reach MLflow/);
  stop = await serve(mlflow, 'open');
  assert.equal(lavis(['--resume', ...options('down')]).status, 0);
  const { numbers } = await compare(folder('down'), 'FINISHED');
  console.log(
    `with the server down the run ended well; resumed when it was up, the server has all ${numbers} numbers`,
  );

  if (args.record) await record(args.record, version);
  else await tellSession(uri, mkdtempSync(join(work, 'session-')));
  console.log('names, lengths, numbers that are none and changed parameters are taken');
  await stop();

  const basic = (password) => ({
    Authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`,
  });
  const ini = join(work, 'auth.ini');
  const users = `sqlite:///${join(work, 'users.db')}`;
  writeFileSync(
    ini,
    [
      '[mlflow]',
      'default_permission = READ',
      `database_uri = ${users}`,
      'admin_username = admin',
      'admin_password = a-long-password-1',
      'authorization_function = mlflow.server.auth:authenticate_request_basic_auth',
      '',
    ].join('\n'),
  );
  const env = { MLFLOW_AUTH_CONFIG_PATH: ini, MLFLOW_FLASK_SERVER_SECRET_KEY: 'secret' };
  stop = await serve(mlflow, 'auth', {
    more: ['--app-name', 'basic-auth'],
    env,
    headers: basic('a-long-password-1'),
  });
  const user = { MLFLOW_TRACKING_USERNAME: 'admin', MLFLOW_TRACKING_PASSWORD: 'wrong' };
  const wrong = lavis(options('auth'), user);
  assert.equal(wrong.status, 0);
  assert.match(wrong.stderr, /status 401/);
  assert.equal(
    lavis(['--resume', ...options('auth')], { ...user, MLFLOW_TRACKING_PASSWORD: 'a-long-password-1' })
      .status,
    0,
  );
  await compare(folder('auth'), 'FINISHED', basic('a-long-password-1'));
  console.log('a wrong password is a warning, the right one lets it in');
} finally {
  await stop();
  rmSync(work, { recursive: true, force: true });
}
