import assert from 'node:assert/strict';
import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import protobuf from 'protobufjs';
import { RunInterrupted } from '#src/common/errors.js';
import { type MetricsLine, type RunHook, readMetrics } from '#src/runners/index.js';
import { crc32c, frame } from '#src/runners/loggers/event_file.js';
import { temporaryFolder } from '../support.js';
import { type TinyRun, tinyRun } from './tiny_run.js';

const OPTIONS = ['run.log_freq=2'];

/** What does not depend on the clock or the machine. */
function timeless(lines: MetricsLine[]): Partial<MetricsLine>[] {
  return lines.map(
    ({ time, images_per_second, data_wait, memory_bytes, eta_seconds, ...rest }) => rest as MetricsLine,
  );
}

const Event = protobuf
  .parse(
    `syntax = "proto3";
     message Value { string tag = 1; float simple_value = 2; }
     message Summary { repeated Value value = 1; }
     message Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }`,
    { keepCase: true },
  )
  .root.lookupType('Event');

interface Decoded {
  step: number;
  file_version: string;
  summary: { value: { tag: string; simple_value: number }[] } | null;
}

/** The events of the only event file of a folder; checksums are compared with `frame`'s own. */
function readEvents(folder: string): Decoded[] {
  const names = readdirSync(folder).filter((name) => name.startsWith('events.out.tfevents.'));
  assert.equal(names.length, 1);
  const bytes = readFileSync(join(folder, names[0]));
  const events: Decoded[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    const data = bytes.subarray(at + 12, at + 12 + length);
    assert.deepEqual(Buffer.from(frame(data)), bytes.subarray(at, at + 16 + length));
    events.push(Event.toObject(Event.decode(data), { longs: Number, defaults: true }) as unknown as Decoded);
    at += 16 + length;
  }
  return events;
}

describe('TFRecord', () => {
  it("has the checksums of RFC 3720's examples", () => {
    assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
    assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
    assert.equal(crc32c(Buffer.from(Array.from({ length: 32 }, (_, i) => i))), 0x46dd794e);
    assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
  });
});

describe('metrics.jsonl and the event file', () => {
  const folder = temporaryFolder();
  let tiny: TinyRun;
  let whole: string;

  async function train(name: string, options: string[] = [], hooks: RunHook[] = []): Promise<string> {
    const runner = await tiny.runner(name, [...OPTIONS, ...options], hooks);
    try {
      await runner.train();
    } catch (thrown) {
      if (!(thrown instanceof RunInterrupted)) throw thrown;
    }
    return runner.folder.path;
  }

  before(async () => {
    tiny = await tinyRun(folder);
    whole = await train('whole', ['run.save_freq=1']);
  });

  it('hold every logged step, epoch and evaluation', async () => {
    const lines = await readMetrics(whole);
    const told = lines.map(({ kind, epoch, iteration, split }) => [kind, epoch, iteration, split].join(' '));
    assert.deepEqual(
      told.map((line) => line.trim()),
      [
        ...['step 0 1', 'step 0 2', 'step 0 4', 'step 0 5', 'epoch 0 5', 'evaluation 0 5 val'],
        ...['step 1 6', 'step 1 7', 'step 1 9', 'step 1 10', 'epoch 1 10', 'evaluation 1 10 val'],
        ...['evaluation 2 10 test', 'end 2 10'],
      ],
    );
    const [step] = lines;
    for (const name of ['loss', 'loss_lm', 'lr', 'grad_norm', 'images_per_second', 'memory_bytes', 'time']) {
      assert.ok(Number.isFinite(step[name]), name);
    }
    const val = lines.find(({ kind }) => kind === 'evaluation')!;
    assert.deepEqual([typeof val.CIDEr, typeof val.Bleu_4, val.label], ['number', 'number', 0]);
  });

  it('agree: TensorBoard shows the same scalars at the same steps', async () => {
    const [version, ...events] = readEvents(whole);
    assert.equal(version.file_version, 'brain.Event:2');
    const seen = new Map(
      events.map(({ step, summary }) => [`${summary!.value[0].tag}@${step}`, summary!.value[0].simple_value]),
    );
    assert.equal(seen.size, events.length);
    for (const line of await readMetrics(whole)) {
      if (line.kind === 'step') {
        assert.equal(seen.get(`train/loss@${line.iteration}`), Math.fround(line.loss as number));
      }
      if (line.kind === 'evaluation') {
        assert.equal(seen.get(`${line.split}/CIDEr@${line.iteration}`), Math.fround(line.CIDEr as number));
      }
    }
  });

  it('are those of a run that never stopped, after a stop, a killed stretch and a resume', async () => {
    let done = 0;
    const stop: RunHook = { afterStep: () => void (++done === 7 && process.kill(process.pid, 'SIGINT')) };
    const stopped = await train('stopped', [], [stop]);
    // what a process that went on from the checkpoint and was killed leaves behind
    appendFileSync(
      join(stopped, 'metrics.jsonl'),
      '{"kind":"step","epoch":1,"iteration":10,"step":5}\n{"kin',
    );
    const resumed = await train('stopped', [
      `run.resume_ckpt_path=${join(stopped, 'checkpoint_latest.pth')}`,
    ]);
    assert.equal(resumed, stopped);
    assert.deepEqual(timeless(await readMetrics(resumed)), timeless(await readMetrics(whole)));
    const scalars = (path: string) =>
      readEvents(path)
        .map(({ step, summary }) => ({ step, value: summary?.value[0] }))
        .filter(({ value }) => value && /loss|lr|CIDEr/.test(value.tag));
    assert.deepEqual(scalars(resumed), scalars(whole));
  });

  it('come along to another folder, as far as the checkpoint goes', async () => {
    const checkpoint = join(whole, 'checkpoint_0.pth');
    const elsewhere = await train('elsewhere', ['run.save_freq=1', `run.resume_ckpt_path=${checkpoint}`]);
    assert.notEqual(elsewhere, whole);
    assert.deepEqual(timeless(await readMetrics(elsewhere)), timeless(await readMetrics(whole)));
  });

  it('lie beside run.json, which knows the origin of each value, and what pages show', async () => {
    const record = JSON.parse(readFileSync(join(whole, 'run.json'), 'utf8'));
    const origins = Object.fromEntries(
      record.config.map(({ key, origin }: { key: string; origin: string }) => [key, origin]),
    );
    assert.equal(origins['run.log_freq'], '--options run.log_freq=2');
    assert.match(origins['run.init_lr'], /run\.yaml:\d+:\d+$/);
    assert.ok(record.parameters > 0);
    const { samples } = JSON.parse(readFileSync(join(whole, 'shown', 'val_epoch1.json'), 'utf8'));
    const [{ id, files, references }] = samples;
    assert.deepEqual(
      { id, files, references },
      { id: 1, files: [join(folder, 'images', 'tiny_1.png')], references: ['a red ball'] },
    );
  });
});
